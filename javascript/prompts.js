// Under the WebUI's prompt boxes: a chip for each expression of the prompt, with its number of vectors or its mistake.
(() => {
    const CHECK_MS = 200;
    const QUIET_MS = 250;
    const WAITING_MS = 2000;
    const PLACES = ["txt2img", "img2img", "control"]; // the last is SD.Next's
    const BOXES = [...PLACES.flatMap((place) => [`${place}_prompt`, `${place}_neg_prompt`]), "hires_prompt", "hires_neg_prompt"];
    const SWITCH = "embmerge_prompt_lines";
    const OUTSIDE = ["embmerge_", "sd_model_checkpoint", "sd_checkpoint_hash"]; // beginnings of options that change lines
    const embmerge = (window.embmerge = window.embmerge || {});
    const root = () => embmerge.root();

    // About what language/scan.py takes for an expression's beginning; Python decides.
    const OPENER = /<(?:[-+*/().\d\s]|\de[-+\d])*(?:['"]|[a-z_]\w*\()|\{'/i;
    // About what language/intended.py takes for what was meant as one; an extra network is none.
    const MEANT = /<(?!\w+:)[^<>\n]+>|[‹〈⟨＜❮]|\{[^\w\s]/;
    const isAsked = (text) => OPENER.test(text) || MEANT.test(text);

    const seen = new Map(); // by box: its text and caret, since when, when it was asked about, and which chips were pressed
    const typed = new Map(); // by box: the text with which the host was told of a change, and counts it
    let outside = ""; // of what else the lines depend on

    const hostOptions = () => (typeof opts === "object" && opts !== null ? opts : {});
    const isOn = () => hostOptions()[SWITCH] !== false;

    // Looking at the text, not waiting for an event: styles, pasted parameters and other extensions change it as well.
    setInterval(() => {
        if (document.visibilityState !== "visible") {
            return;
        }
        const now = describeOutside();
        if (now !== outside) {
            outside = now;
            BOXES.forEach(askAgain);
        }
        BOXES.forEach(check);
    }, CHECK_MS);

    // The model that the host has loaded, and our settings, as the page knows them.
    function describeOutside() {
        const known = Object.entries(hostOptions());
        return JSON.stringify(known.filter(([name]) => OUTSIDE.some((beginning) => name.startsWith(beginning))));
    }

    function check(id) {
        const box = embmerge.box(id);
        if (box === null) {
            seen.delete(id);
            return;
        }
        const known = seen.get(id) || { text: "", caret: null, since: 0, asked: 0, isCounted: true, pressed: new Map() };
        if (box.value !== known.text) {
            const isCounted = typed.get(id) === box.value;
            seen.set(id, { ...known, text: box.value, caret: caretOf(box), since: Date.now(), asked: null, isCounted });
            grey(id, true);
        } else if (isOpen(id) && caretOf(box) !== known.caret) {
            Object.assign(known, { caret: caretOf(box), since: Date.now(), asked: null });
        } else if (isDue(id, known)) {
            if (!known.isCounted) {
                count(id);
            }
            Object.assign(known, { caret: caretOf(box), asked: Date.now(), isCounted: true });
            ask(id, known.text, known.caret);
        }
    }

    // Where somebody is writing; nobody is in a box that has not the focus.
    const caretOf = (box) => (document.activeElement === box ? box.selectionEnd : null);

    function isDue(id, { since, asked }) {
        const now = Date.now();
        return asked === null ? now - since >= QUIET_MS : isWaiting(id) && now - asked >= WAITING_MS;
    }

    function ask(id, text, caret) {
        if (!isOn() || !isAsked(text)) {
            embmerge.forget(purposeOf(id));
            show(id, text, "");
            return;
        }
        const deliver = ({ slots, state }) => {
            note(id, state.model);
            show(id, text, slots.lines || slots.error || "");
        };
        embmerge.ask(purposeOf(id), "prompt_lines", { text, caret }, deliver);
    }

    // The model that the lines of a box are of.
    function note(id, model) {
        const known = seen.get(id);
        if (known !== undefined) {
            known.model = model;
        }
    }

    const isShown = (id) => (find(id)?.offsetParent ?? null) !== null && find(id).innerHTML !== "";

    (embmerge.modelWatchers = embmerge.modelWatchers || []).push({
        isShown: () => BOXES.some(isShown),
        tell: ({ prompts }) => {
            const isOther = (model) => model !== undefined && model !== prompts;
            if (prompts) {
                BOXES.filter((id) => isShown(id) && isOther(seen.get(id)?.model)).forEach(askAgain);
            }
        },
    });

    const purposeOf = (id) => `lines of ${id}`;

    function askAgain(id) {
        const known = seen.get(id);
        if (known !== undefined) {
            known.asked = null;
        }
    }

    // The host tells nobody on the page that it has loaded its model, which some do for the first picture only.
    const isWaiting = (id) => find(id)?.querySelector(".embmerge-unloaded") != null;
    const isOpen = (id) => find(id)?.querySelector(".embmerge-open") != null;

    // --- The lines -----------------------------------------------------------------------------------------------

    // Show the answer about a text; of a box that is gone, or holds another text by now, it is no answer any more.
    function show(id, text, html) {
        const known = seen.get(id);
        const box = embmerge.box(id);
        if (known === undefined || box === null || known.text !== text || (html !== "" && !isOn())) {
            return;
        }
        const lines = find(id) || (html === "" ? null : make(id, box));
        if (lines === null) {
            return;
        }
        if (lines.dataset.embmergeHtml !== html) {
            const focused = focusedIn(lines);
            lines.dataset.embmergeHtml = html;
            lines.innerHTML = html;
            number(lines, known);
            lines.querySelector(focused)?.focus();
        }
        grey(id, false);
    }

    const find = (id) => root().querySelector(`#embmerge_lines_${id}`);

    function grey(id, isOld) {
        const lines = find(id);
        if (lines !== null) {
            lines.classList.toggle("embmerge-stale", isOld);
            lines.setAttribute("aria-busy", String(isOld));
        }
    }

    function make(id, box) {
        const row =
            box.closest(".split.main-prompt") || // SD.Next's ModernUI: both prompts in a frame of fixed height
            box.closest(`#${id}_row`) ||
            box.closest(`#${id}`) ||
            box;
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
    const boxOfLines = (node) => node.closest(".embmerge-prompt-lines")?.id.replace("embmerge_lines_", "");

    document.addEventListener("input", ({ target }) => {
        const id = boxOf(target);
        if (id !== undefined) {
            typed.set(id, target.value);
        }
    });

    // Another model may have been loaded, or an embedding saved, since it was asked.
    document.addEventListener("focusin", ({ target }) => {
        const id = boxOf(target);
        if (id !== undefined) {
            askAgain(id);
        }
    });

    // --- The chips -----------------------------------------------------------------------------------------------

    const detailOf = (lines, chip) => lines.querySelector(`[data-embmerge-detail="${chip.dataset.embmergeLine}"]`);

    // Say which detail a chip opens, and leave open or closed what somebody has opened or closed.
    function number(lines, { pressed }) {
        for (const chip of lines.querySelectorAll("[data-embmerge-line]")) {
            const detail = detailOf(lines, chip);
            if (detail !== null) {
                detail.id = `${lines.id}_${chip.dataset.embmergeLine}`;
                chip.setAttribute("aria-controls", detail.id);
                unfold(lines, chip, pressed.get(chip.dataset.embmergeLine) ?? !detail.hidden);
            }
        }
    }

    function unfold(lines, chip, isUnfolded) {
        chip.setAttribute("aria-expanded", String(isUnfolded));
        const detail = detailOf(lines, chip);
        if (detail !== null) {
            detail.hidden = !isUnfolded;
            embmerge.showCarets(detail);
        }
    }

    function focusedIn(lines) {
        const chip = lines.contains(document.activeElement) ? document.activeElement.dataset.embmergeLine : undefined;
        return `[data-embmerge-line="${chip}"]`;
    }

    document.addEventListener("click", ({ target }) => {
        const wanted = "button[data-embmerge-line], button[data-embmerge-repair]";
        const button = target instanceof Element ? target.closest(wanted) : null;
        const id = button === null ? undefined : boxOfLines(button);
        const lines = id === undefined ? null : find(id);
        const known = seen.get(id);
        if (lines === null || known === undefined) {
            return;
        }
        if ("embmergeRepair" in button.dataset) {
            repair(id, known, button.dataset.embmergeRepair);
            return;
        }
        const isUnfolded = button.getAttribute("aria-expanded") !== "true";
        for (const chip of lines.querySelectorAll("[data-embmerge-line]")) {
            const isThis = chip === button;
            unfold(lines, chip, isThis && isUnfolded); // one at a time
            known.pressed.set(chip.dataset.embmergeLine, isThis && isUnfolded);
        }
    });

    // The button has the whole prompt as it was when it was asked about: a newer text is left alone.
    function repair(id, { text }, meant) {
        const box = embmerge.box(id);
        if (box !== null && box.value === text) {
            embmerge.setText(box, meant);
            box.focus();
            embmerge.recount();
        }
    }

    // --- The host's token counter --------------------------------------------------------------------------------

    const COUNTERS = new Map(
        PLACES.flatMap((place) => [
            [`${place}_prompt`, `${place}_token_button`],
            [`${place}_neg_prompt`, `${place}_negative_token_button`],
        ])
    );

    function count(id) {
        const button = COUNTERS.get(id);
        if (button !== undefined && !hostOptions().disable_token_counters) {
            root().querySelector(`button#${button}, #${button} button`)?.click();
        }
    }

    // Count again, at once: the host itself waits for the next key. And it counts what it pastes by a clock, so that of
    // an answer that takes longer the text that was there before is counted (A1111 1.10.1, javascript/token-counters.js).
    embmerge.recount = () => {
        BOXES.forEach(askAgain);
        setTimeout(() => BOXES.forEach(count), 50);
    };
})();
