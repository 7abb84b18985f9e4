// "Many at once": the files that the lines will make are shown while one types.
(() => {
    const DELAY_MS = 300;
    const embmerge = (window.embmerge = window.embmerge || {});
    const root = () => embmerge.root();

    const value = (name) => embmerge.written(`embmerge_many_${name}`);
    const isTicked = (name) => root().querySelector(`#embmerge_many_${name} input:checked`) !== null;

    function mode() {
        const chosen = root().querySelector("#embmerge_many_mode input:checked");
        return chosen === null ? "" : chosen.closest("label").textContent.trim();
    }

    function read() {
        const fields = { mode: mode(), text: value("lines"), folder: value("folder") };
        for (const name of ["expression", "start", "stop", "steps", "pattern"]) {
            fields[name] = value(name);
        }
        for (const name of ["overwrite", "same_name"]) {
            fields[name] = isTicked(name);
        }
        fields.long = embmerge.chosen("embmerge_many_long");
        return fields;
    }

    function ask() {
        const fields = read();
        embmerge.ask("many", "many", fields, ({ slots, state }) => {
            if (!state.failed && !state.broken) {
                embmerge.reveal("embmerge_many_long", state.isLong);
            }
            embmerge.fill(state.failed ? { many: slots.error } : slots);
            hideMade(JSON.stringify(fields));
        });
    }
    // The files that these lines have just made need no warning that they exist.
    let made = null;

    function hideMade(asked) {
        root()
            .querySelectorAll('[data-embmerge-slot="many"] .embmerge-existing')
            .forEach((warning) => (warning.hidden = asked === made));
    }

    document.addEventListener("click", ({ target }) => {
        if (target instanceof Element && target.closest("#embmerge_many_run") !== null) {
            made = JSON.stringify(read());
        }
    });

    const askSoon = embmerge.debounce(ask, DELAY_MS);

    const isHere = (node) => node instanceof Element && node.closest("#embmerge_many") !== null;

    for (const kind of ["input", "change"]) {
        document.addEventListener(kind, ({ target }) => {
            if (isHere(target)) {
                askSoon();
            }
        });
    }

    document.addEventListener("keydown", (event) => {
        if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || !isHere(event.target)) {
            return;
        }
        const run = root().querySelector("button#embmerge_many_run, #embmerge_many_run button");
        if (run !== null && !run.disabled) {
            event.preventDefault();
            event.stopPropagation();
            run.click();
        }
    }, true);

    // The slot may be made late, when its tab is opened.
    const begin = embmerge.debounce(() => {
        const slot = root().querySelector('[data-embmerge-slot="many"]:not([data-embmerge-begun])');
        if (slot !== null && root().querySelector("#embmerge_ask") !== null) {
            slot.dataset.embmergeBegun = "yes";
            ask();
        }
    }, 50);
    new MutationObserver(begin).observe(document, { childList: true, subtree: true });
    begin();
})();
