// The folds of the pane "Build": each is asked for only while it is open, after the preview of what was typed.
(() => {
    const DELAY_MS = 300;
    // gradio makes a fold's content when it is opened, or shows it; either takes a moment.
    const OPENING_MS = [0, 60, 200, 500, 1000];
    const FOLDS = { table: "embmerge_table", pictures: "embmerge_pictures", loads: "embmerge_loads" };
    const embmerge = (window.embmerge = window.embmerge || {});
    const root = () => embmerge.root();
    const asking = new Map();
    let text = "";

    const fieldsOf = {
        table: () => ({ text, by: embmerge.chosen("embmerge_table_by") }),
        pictures: () => ({ text }),
        loads: () => ({
            text,
            name: embmerge.written("embmerge_name"),
            folder: embmerge.written("embmerge_folder"),
            dtype: embmerge.chosen("embmerge_dtype"),
            long: embmerge.chosen("embmerge_long"),
        }),
    };

    const slotOf = (kind) => root().querySelector(`#${FOLDS[kind]} [data-embmerge-slot="${kind}"]`);
    const isOpen = (slot) => slot !== null && slot.getClientRects().length > 0;

    // Ask for what is open and not yet shown, or for all that is open.
    function look(isNew = false) {
        for (const kind of Object.keys(FOLDS)) {
            const slot = slotOf(kind);
            if (!isOpen(slot)) {
                continue;
            }
            if (text.trim() === "") {
                slot.innerHTML = "";
                delete slot.dataset.embmergeShows;
                mark();
                continue;
            }
            const fields = fieldsOf[kind]();
            const key = JSON.stringify(fields);
            if (isNew || ![slot.dataset.embmergeShows, asking.get(kind)].includes(key)) {
                sayComputing(slot);
                ask(kind, fields);
            }
        }
    }

    function ask(kind, fields) {
        const key = JSON.stringify(fields);
        asking.set(kind, key);
        embmerge.ask(kind, kind, fields, (answer) => {
            show(kind, key, answer);
            if (answer.then === kind && key === JSON.stringify(fieldsOf[kind]())) {
                ask(kind, fields); // this was how far it is
            }
        });
    }

    function sayComputing(slot) {
        if (slot.innerHTML.trim() === "") {
            const note = document.createElement("p");
            note.className = "embmerge-note embmerge-computing";
            note.setAttribute("role", "status");
            note.textContent = "Computing…";
            slot.replaceChildren(note);
            slot.setAttribute("aria-busy", "true");
        }
    }

    function show(kind, key, { slots, state }) {
        const slot = slotOf(kind);
        asking.delete(kind);
        if (slot === null) {
            return;
        }
        const isAnswer = slot.querySelector(".embmerge-error, .embmerge-computing") === null && slot.innerHTML.trim() !== "";
        if (!state.failed || !isAnswer) {
            const scrolled = [...slot.querySelectorAll(".embmerge-scroll")].map((box) => box.scrollLeft);
            const unfolded = [...slot.querySelectorAll("details")].map((fold) => fold.open);
            embmerge.fill({ [kind]: state.failed ? slots.error : slots[kind] });
            slot.querySelectorAll(".embmerge-scroll").forEach((box, i) => (box.scrollLeft = scrolled[i] || 0));
            slot.querySelectorAll("details").forEach((fold, i) => (fold.open = unfolded[i] || false));
            slot.dataset.embmergeShows = key;
        }
        mark();
    }

    // What was computed of anything but what the boxes hold now, is old; the fold shows that at once.
    function mark() {
        for (const kind of Object.keys(FOLDS)) {
            const slot = slotOf(kind);
            if (slot !== null) {
                const shown = slot.dataset.embmergeShows;
                const now = JSON.stringify({ ...fieldsOf[kind](), text: embmerge.written("embmerge_expression") });
                const isOld = shown !== undefined && shown !== now;
                slot.classList.toggle("embmerge-stale", isOld);
                slot.setAttribute("aria-busy", String(isOld || slot.querySelector(".embmerge-computing") !== null));
            }
        }
    }

    document.addEventListener("embmerge:previewed", ({ detail: { kind, fields, state } }) => {
        mark();
        if (kind === "preview" && !state.waiting && !state.broken && !state.failed) {
            text = state.empty ? "" : fields.text;
            look(true);
        }
    });

    const lookSoon = embmerge.debounce(look, DELAY_MS);
    const isIn = (node, ...ids) => node instanceof Element && ids.some((id) => node.closest(`#${id}`) !== null);

    document.addEventListener("input", ({ target }) => {
        if (isIn(target, "embmerge_expression")) {
            embmerge.forget(...Object.keys(FOLDS)); // the preview of the new text comes first
            asking.clear();
            mark();
        } else if (isIn(target, "embmerge_name", "embmerge_folder")) {
            mark();
            lookSoon();
        }
    });

    document.addEventListener("change", ({ target }) => {
        if (isIn(target, "embmerge_table_by", "embmerge_dtype", "embmerge_long")) {
            mark();
            look();
        }
    });

    // A fold may be opened by its label, and shown again by the tabs.
    document.addEventListener("click", ({ target }) => {
        if (isIn(target, ...Object.values(FOLDS)) || (target instanceof Element && target.closest("[role=tab], .tab-nav"))) {
            OPENING_MS.forEach((ms) => setTimeout(look, ms));
        }
    });

    // --- Buttons in the folds ------------------------------------------------------------------------------------

    document.addEventListener("click", ({ target }) => {
        const button = target instanceof Element ? target.closest("[data-embmerge-csv], [data-embmerge-target]") : null;
        if (button === null) {
            return;
        }
        if ("embmergeCsv" in button.dataset) {
            const fields = { ...fieldsOf.table(), name: embmerge.written("embmerge_name") };
            embmerge.ask("csv", "csv", fields, ({ state }) => download(state));
        } else {
            act(button.dataset.embmergeTarget, button.dataset.embmergeValue);
        }
    });

    // The mark at the beginning tells spreadsheets that it is UTF-8.
    function download({ csv, file }) {
        if (csv === undefined) {
            return;
        }
        const link = document.createElement("a");
        link.href = URL.createObjectURL(new Blob(["\ufeff", csv], { type: "text/csv;charset=utf-8" }));
        link.download = file;
        document.body.append(link);
        link.click();
        link.remove();
        setTimeout(() => URL.revokeObjectURL(link.href), 60000);
    }

    // Put a value into a text box, choose it of a radio, or press a button; unfold what it may be hidden in.
    function act(id, value, isSecond = false) {
        const box = embmerge.box(id);
        if (box !== null) {
            embmerge.setText(box, value);
            box.focus();
            return;
        }
        const radios = [...root().querySelectorAll(`#${id} input[type=radio]`)];
        const wanted = radios.find((radio) => radio.value === value);
        const button = root().querySelector(`button#${id}, #${id} > button`);
        if (wanted !== undefined) {
            if (wanted.closest("label, fieldset").getClientRects().length === 0) {
                unfold();
            }
            wanted.click();
            wanted.focus();
        } else if (radios.length === 0 && button !== null) {
            button.click();
        } else if (!isSecond) {
            unfold();
            setTimeout(() => act(id, value, true), 400);
        }
    }

    function unfold() {
        const label = root().querySelector("#embmerge_about .label-wrap");
        if (label !== null && !label.classList.contains("open")) {
            label.click();
        }
    }
})();
