// Under the WebUI's prompt boxes: each expression of the prompt with its number of vectors, or its mistake.
(() => {
    const CHECK_MS = 200;
    const QUIET_MS = 250;
    const WAITING_MS = 2000;
    const PLACES = ["txt2img", "img2img", "control"]; // the last is SD.Next's
    const BOXES = PLACES.flatMap((place) => [`${place}_prompt`, `${place}_neg_prompt`]);
    const embmerge = (window.embmerge = window.embmerge || {});
    const root = () => embmerge.root();

    // About what language/scan.py takes for an expression's beginning; Python decides.
    const OPENER = /<(?:[-+*/().\d\s]|\de[-+\d])*(?:['"]|[a-z_]\w*\()|\{'/i;

    const seen = new Map(); // by box: the text that was there, since when, and when it was asked about

    function check(id) {
        const box = embmerge.box(id);
        if (box === null) {
            return;
        }
        const known = seen.get(id) || { text: "", since: 0, asked: 0 };
        if (box.value !== known.text) {
            seen.set(id, { text: box.value, since: Date.now(), asked: null });
        } else if (isDue(id, known)) {
            known.asked = Date.now();
            ask(id, known.text);
        }
    }

    function isDue(id, { since, asked }) {
        const now = Date.now();
        return asked === null ? now - since >= QUIET_MS : isWaiting(id) && now - asked >= WAITING_MS;
    }

    // Looking at the text, not waiting for an event: styles, pasted parameters and other extensions change it as well.
    setInterval(() => {
        if (document.visibilityState === "visible") {
            BOXES.forEach(check);
        }
    }, CHECK_MS);

    function ask(id, text) {
        if (!OPENER.test(text)) {
            show(id, "");
            return;
        }
        embmerge.ask(`lines of ${id}`, "prompt_lines", { text }, ({ slots }) => show(id, slots.lines || slots.error || ""));
    }

    function askAgain(id) {
        const known = seen.get(id);
        if (known !== undefined) {
            known.asked = null;
        }
    }

    // The host tells nobody on the page that it has loaded its model, which some do for the first picture only.
    const isWaiting = (id) => find(id)?.querySelector(".embmerge-unloaded") != null;

    // --- The lines -----------------------------------------------------------------------------------------------

    function show(id, html) {
        const text = seen.get(id).text;
        const lines = find(id) || (html === "" ? null : make(id));
        if (lines === null || (html !== "" && !OPENER.test(text))) {
            return;
        }
        // While one types, what is below does not jump up and down with every mistake.
        const isTyped = document.activeElement === embmerge.box(id) && html !== "";
        lines.style.minHeight = isTyped ? `${lines.offsetHeight}px` : "";
        if (lines.innerHTML !== html) {
            lines.innerHTML = html;
        }
    }

    const find = (id) => root().querySelector(`#embmerge_lines_${id}`);

    function make(id) {
        const box = embmerge.box(id);
        const row =
            box.closest(".split.main-prompt") || // SD.Next's ModernUI: both prompts in a frame of fixed height
            box.closest(`#${id}_row`) ||
            box.closest(`#${id}`);
        const lines = document.createElement("div");
        lines.id = `embmerge_lines_${id}`;
        lines.className = "embmerge-page embmerge-prompt-lines";
        lines.setAttribute("role", "region");
        lines.setAttribute("aria-live", "polite");
        lines.setAttribute("aria-label", id.includes("neg") ? "Expressions in the negative prompt" : "Expressions in the prompt");
        row.after(lines);
        return lines;
    }

    const boxOf = (target) => BOXES.find((id) => target instanceof Element && target.closest(`#${id}`) !== null);

    // Another model may have been loaded, or an embedding saved, since it was asked.
    document.addEventListener("focusin", ({ target }) => {
        const id = boxOf(target);
        if (id !== undefined) {
            askAgain(id);
        }
    });

    document.addEventListener("focusout", ({ target }) => {
        const id = boxOf(target);
        const lines = id === undefined ? null : find(id);
        if (lines !== null) {
            lines.style.minHeight = "";
        }
    });

    // --- The host's token counter --------------------------------------------------------------------------------

    // Count again, at once: the host itself waits for the next key.
    embmerge.recount = () => {
        BOXES.forEach(askAgain);
        if (typeof opts !== "undefined" && opts.disable_token_counters) {
            return;
        }
        setTimeout(() => {
            for (const place of PLACES) {
                for (const button of [`${place}_token_button`, `${place}_negative_token_button`]) {
                    root().querySelector(`button#${button}, #${button} button`)?.click();
                }
            }
        }, 50);
    };
})();
