// The tab "Save embedding": what is typed is shown at once, and buttons that the answers bring do what they say.
(() => {
    const DELAY_MS = 250;
    const embmerge = (window.embmerge = window.embmerge || {});
    const root = () => embmerge.root();

    const fields = () => ({
        text: value("embmerge_expression"),
        name: value("embmerge_name"),
        folder: value("embmerge_folder"),
    });

    function value(id) {
        const box = embmerge.box(id);
        return box === null ? "" : box.value;
    }

    function fill(slots) {
        for (const [name, html] of Object.entries(slots)) {
            root()
                .querySelectorAll(`[data-embmerge-slot="${name}"]`)
                .forEach((slot) => {
                    slot.innerHTML = html;
                });
        }
        root()
            .querySelectorAll("[data-embmerge-send]")
            .forEach((button) => {
                button.hidden = embmerge.box(`${button.dataset.embmergeSend}_prompt`) === null;
            });
    }
    embmerge.fill = fill;

    // --- What is typed -------------------------------------------------------------------------------------------

    function askPreview(kind = "preview") {
        embmerge.ask("build", kind, fields(), (answer) => {
            const { slots, state, then } = answer;
            fill(slots);
            markBroken(Boolean(state.broken), slots);
            if (then) {
                askPreview(then);
            }
        });
    }

    function markBroken(isBroken, slots) {
        const summary = root().querySelector('[data-embmerge-slot="summary"]');
        if (summary !== null && ("summary" in slots || isBroken)) {
            summary.classList.toggle("embmerge-stale", isBroken);
        }
    }

    function askName() {
        embmerge.ask("name", "name", fields(), ({ slots, state }) => {
            fill(slots);
            show("embmerge_overwrite", state.exists);
            show("embmerge_same_name", state.doubtful);
        });
    }

    function show(id, isShown) {
        root()
            .querySelectorAll(`#${id}`)
            .forEach((node) => node.classList.toggle("embmerge-shown", Boolean(isShown)));
    }

    embmerge.saved = () => {
        fill({});
        askPreview();
        askName();
    };

    const preview = embmerge.debounce(() => askPreview(), DELAY_MS);
    const checkName = embmerge.debounce(askName, DELAY_MS);

    document.addEventListener("input", ({ target }) => {
        if (isIn(target, "embmerge_expression")) {
            preview();
        } else if (isIn(target, "embmerge_name") || isIn(target, "embmerge_folder")) {
            checkName();
        }
    });

    const isIn = (node, id) => node instanceof Element && node.closest(`#${id}`) !== null;

    // --- Buttons in answers --------------------------------------------------------------------------------------

    document.addEventListener("click", ({ target }) => {
        const button = target instanceof Element ? target.closest("button[data-embmerge-text], button[data-embmerge-send]") : null;
        if (button === null) {
            return;
        }
        if (button.dataset.embmergeSend) {
            sendTo(button.dataset.embmergeSend, button.dataset.embmergeName);
        } else {
            embmerge.write(button.dataset.embmergeText);
        }
    });

    embmerge.write = (text) => {
        const box = embmerge.box("embmerge_expression");
        if (box !== null) {
            embmerge.setText(box, text);
            box.focus();
        }
    };

    function sendTo(place, name) {
        const box = embmerge.box(`${place}_prompt`);
        if (box === null) {
            return;
        }
        const text = box.value.trimEnd();
        embmerge.setText(box, text === "" ? name : `${text}${text.endsWith(",") ? "" : ","} ${name}`);
        const open = window[`switch_to_${place}`];
        if (typeof open === "function") {
            open();
        }
    }

    // --- Keys ----------------------------------------------------------------------------------------------------

    document.addEventListener("keydown", (event) => {
        if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || !isIn(event.target, "embmerge_page")) {
            return;
        }
        const save = root().querySelector("button#embmerge_save, #embmerge_save button");
        if (save !== null && save.offsetParent !== null) {
            event.preventDefault();
            event.stopPropagation();
            save.click();
        }
    }, true);

    // --- The page's first look -----------------------------------------------------------------------------------

    // The slot is made by gradio, at any time: with the page, after Reload UI, or when its tab is opened.
    const begin = () => {
        const summary = root().querySelector('[data-embmerge-slot="summary"]:not([data-embmerge-begun])');
        if (summary !== null && root().querySelector("#embmerge_ask") !== null) {
            summary.dataset.embmergeBegun = "yes";
            askPreview();
            askName();
        }
    };
    const beginSoon = embmerge.debounce(begin, 50);
    new MutationObserver(beginSoon).observe(document, { childList: true, subtree: true });
    beginSoon();
})();
