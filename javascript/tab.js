// The tab "Save embedding": what is typed is shown at once, and buttons that the answers bring do what they say.
(() => {
    const DELAY_MS = 250;
    const REST_MS = 1500;
    const embmerge = (window.embmerge = window.embmerge || {});
    const root = () => embmerge.root();
    let model = null; // whose answers are shown
    let saves = 0; // files that this page has made
    let isJustSaved = false; // what the boxes hold; then its name needs no warning that it exists

    const fields = () => ({
        text: embmerge.written("embmerge_expression"),
        name: embmerge.written("embmerge_name"),
        folder: embmerge.written("embmerge_folder"),
    });

    function fill(slots) {
        for (const [name, html] of Object.entries(slots)) {
            root()
                .querySelectorAll(`[data-embmerge-slot="${name}"]`)
                .forEach((slot) => put(slot, html));
        }
        embmerge.showCarets(root());
        embmerge.markPlaces();
        root()
            .querySelectorAll("[data-embmerge-send]")
            .forEach((button) => {
                button.hidden = embmerge.box(`${button.dataset.embmergeSend}_prompt`) === null;
            });
    }

    // A slot inside of another has an answer of its own: until that comes, it goes on showing the one before.
    function put(slot, html) {
        const inner = slot.querySelectorAll("[data-embmerge-slot]");
        const shown = new Map([...inner].map((one) => [one.dataset.embmergeSlot, [...one.childNodes]]));
        slot.innerHTML = html;
        slot.removeAttribute("aria-busy");
        slot.querySelectorAll("[data-embmerge-slot]").forEach((one) => {
            one.replaceChildren(...(shown.get(one.dataset.embmergeSlot) ?? []));
            one.setAttribute("aria-busy", "true");
        });
    }
    embmerge.fill = fill;

    // What is longer than its place is scrolled there: by keyboard too, and a line at its end says that there is more.
    embmerge.markPlaces = () => {
        root()
            .querySelectorAll(".embmerge-place")
            .forEach((place) => {
                const isCut = place.scrollHeight > place.clientHeight + 2;
                place.classList.toggle("embmerge-is-cut", isCut);
                if (isCut) {
                    place.tabIndex = 0;
                } else {
                    place.removeAttribute("tabindex");
                }
                showCue(place);
            });
    };

    function showCue(place) {
        const isMore = place.scrollHeight - place.scrollTop > place.clientHeight + 2;
        place.classList.toggle("embmerge-has-more", isMore);
    }

    document.addEventListener("scroll", ({ target }) => {
        if (target instanceof Element && target.classList.contains("embmerge-place")) {
            showCue(target);
        }
    }, true);
    window.addEventListener("resize", () => embmerge.markPlaces());

    // --- What is typed -------------------------------------------------------------------------------------------

    function askPreview(kind = "preview") {
        const asked = fields();
        embmerge.ask("build", kind, asked, (answer) => {
            const { slots, state, then } = answer;
            model = state.model ?? model;
            const waited = kind === "nearest" ? { nearest: "" } : {};
            fill(state.failed ? { ...waited, messages: slots.error, judged: "" } : { ...waited, ...slots });
            showRested.cancel();
            if (state.rested !== undefined) {
                showRested(asked.text, state.rested);
            }
            markBroken(Boolean(state.failed || (state.broken && state.rested === undefined)), slots);
            if (state.count !== undefined || state.empty) {
                embmerge.reveal("embmerge_long", state.isLong);
            }
            if (then && asked.text === fields().text) {
                askPreview(then); // of a text that was written meanwhile the preview comes first
            }
            document.dispatchEvent(new CustomEvent("embmerge:previewed", { detail: { kind, fields: asked, state } }));
        });
    }

    // What may only not be finished becomes a mistake when the text rests.
    const showRested = embmerge.debounce((text, html) => {
        if (embmerge.written("embmerge_expression") === text) {
            fill({ messages: html });
            markBroken(true, {});
        }
    }, REST_MS);

    function markBroken(isBroken, slots) {
        embmerge.box("embmerge_expression")?.setAttribute("aria-invalid", String(isBroken));
        const summary = root().querySelector('[data-embmerge-slot="summary"]');
        if (summary !== null && ("summary" in slots || isBroken)) {
            summary.classList.toggle("embmerge-stale", isBroken);
        }
        if (isBroken) {
            summary?.querySelectorAll("[aria-busy=true]").forEach((slot) => put(slot, "")); // nobody answers it any more
        }
    }

    function askName() {
        const asked = saves;
        embmerge.ask("name", "name", fields(), ({ slots, state }) => {
            if (asked !== saves) {
                return; // the file that it speaks of was made meanwhile, from here
            }
            fill(state.failed ? { name: slots.error } : slots);
            embmerge.box("embmerge_name")?.setAttribute("aria-invalid", String(Boolean(state.refused)));
            embmerge.reveal("embmerge_overwrite", state.exists);
            embmerge.reveal("embmerge_same_name", state.doubtful);
        });
    }

    // Called when "Save" has been answered. The name that was just saved needs no warning that it exists.
    embmerge.saved = () => {
        markResult(false);
        tellOtherModel();
        fill({});
        root().querySelector("#embmerge_save_row")?.scrollIntoView?.({ block: "nearest" });
        if (root().querySelector("#embmerge_result .embmerge-saved") === null) {
            askName();
            return;
        }
        saves += 1;
        isJustSaved = true;
        checkName.cancel();
        embmerge.forget("name");
        fill({ name: "" });
        embmerge.filesChanged?.();
        for (const id of ["embmerge_overwrite", "embmerge_same_name"]) {
            untick(id);
            embmerge.reveal(id, false);
        }
        askPreview();
    };

    // Called when long work is over, or files were converted.
    embmerge.worked = () => {
        fill({});
        embmerge.filesChanged?.();
    };

    // What was saved, or refused, was said of what the boxes held then.
    function markResult(isOld) {
        root()
            .querySelectorAll("#embmerge_result")
            .forEach((node) => node.classList.toggle("embmerge-old", isOld));
    }

    document.addEventListener("click", ({ target }) => {
        if (isIn(target, "embmerge_save")) {
            embmerge.probeSoon?.();
        }
    });

    function sayGone() {
        const shown = document.createElement("p");
        shown.className = "embmerge-error";
        shown.setAttribute("role", "alert");
        shown.textContent = "The program does not answer: it has ended, or the connection is lost. What you wrote stays here.";
        return shown;
    }

    document.addEventListener("embmerge:gone", ({ detail: { isGone } }) => {
        root()
            .querySelectorAll('[data-embmerge-slot="gone"]')
            .forEach((slot) => slot.replaceChildren(...(isGone ? [sayGone()] : [])));
        if (!isGone) {
            askPreview();
            askName();
        }
    });

    // Called when the app has opened another checkpoint or folder.
    embmerge.opened = () => {
        if (root().querySelector("#embmerge_opened .embmerge-error") === null) {
            showChoice(false);
        }
        askPreview();
        askName();
    };

    // The app's row that chooses another checkpoint or folder, behind its button.
    function showChoice(isShown) {
        embmerge.reveal("embmerge_choice", isShown);
        root()
            .querySelectorAll("[data-embmerge-change]")
            .forEach((button) => button.setAttribute("aria-expanded", String(isShown)));
    }

    document.addEventListener("click", ({ target }) => {
        const button = target instanceof Element ? target.closest("[data-embmerge-change]") : null;
        if (button !== null) {
            showChoice(button.getAttribute("aria-expanded") !== "true");
        }
    });

    function untick(id) {
        const box = root().querySelector(`#${id} input[type=checkbox]`);
        if (box !== null && box.checked) {
            box.click();
        }
    }

    const preview = embmerge.debounce(() => askPreview(), DELAY_MS);
    const checkName = embmerge.debounce(askName, DELAY_MS);

    document.addEventListener("input", (event) => {
        const { target } = event;
        keep(target);
        if (isIn(target, "embmerge_expression")) {
            if (event.isTrusted) {
                clearReplaced();
            }
            markResult(true);
            showRested.cancel();
            preview();
            if (isJustSaved) {
                isJustSaved = false;
                checkName();
            }
        } else if (isIn(target, "embmerge_name") || isIn(target, "embmerge_folder")) {
            untick("embmerge_overwrite"); // asked for another file
            untick("embmerge_same_name");
            markResult(true);
            checkName();
        }
    });

    const isIn = (node, id) => node instanceof Element && node.closest(`#${id}`) !== null;

    // --- What is kept while the page is loaded anew ------------------------------------------------------------------

    const KEPT = ["embmerge_expression", "embmerge_name", "embmerge_folder"];

    function keep(target) {
        const id = KEPT.find((box) => isIn(target, box));
        if (id !== undefined) {
            try {
                sessionStorage.setItem(id, embmerge.written(id));
            } catch (error) {
                // A browser may forbid it.
            }
        }
    }

    function kept(id) {
        try {
            return sessionStorage.getItem(id) || "";
        } catch (error) {
            return "";
        }
    }

    function restore() {
        for (const id of KEPT) {
            const box = embmerge.box(id);
            const text = kept(id);
            if (box !== null && box.value === "" && text !== "") {
                embmerge.setText(box, text);
            }
        }
    }

    // --- Another checkpoint --------------------------------------------------------------------------------------

    const isOpen = () => {
        const page = root().querySelector("#embmerge_page");
        return page !== null && page.offsetParent !== null;
    };

    // While no model is in memory one is being loaded, or was unloaded on purpose: what is shown may be of another one.
    function follow({ model: loaded }) {
        if (model === null || loaded === undefined) {
            return;
        }
        root()
            .querySelector('[data-embmerge-slot="summary"]')
            ?.classList.toggle("embmerge-awaiting", loaded === "" && model !== "");
        if (loaded !== "" && loaded !== model) {
            embmerge.opened();
        }
    }

    (embmerge.modelWatchers = embmerge.modelWatchers || []).push({ isShown: isOpen, tell: follow, mayAsk: true });

    // A file is computed with the model that is loaded then.
    function tellOtherModel() {
        root()
            .querySelectorAll("[data-embmerge-computed]")
            .forEach((node) => {
                node.hidden = model === null || node.dataset.embmergeComputed === model;
            });
    }

    // --- Buttons in answers --------------------------------------------------------------------------------------

    document.addEventListener("click", ({ target }) => {
        const wanted = "button[data-embmerge-text], button[data-embmerge-send], button[data-embmerge-pane]";
        const button = target instanceof Element ? target.closest(wanted) : null;
        if (button === null) {
            return;
        }
        const { embmergeSend: place, embmergeName: name, embmergePane: pane, embmergeText: text } = button.dataset;
        if (place !== undefined) {
            sendTo(place, name);
        }
        if (pane !== undefined) {
            embmerge.openPane(pane);
        }
        if (text !== undefined) {
            if (button.closest(ACTED_ON) === null) {
                offerBack(text);
            } else {
                clearReplaced();
            }
            embmerge.write(text);
        }
    });

    // An example that is put into the box, or another file's recipe, replaces what somebody has written there.
    const ACTED_ON = "#embmerge_messages, #embmerge_result, #embmerge_loads";
    let replaced = "";
    let written = null;

    function offerBack(text) {
        const before = embmerge.written("embmerge_expression");
        if (before !== written) {
            replaced = before; // of several examples, one after the other, none was written here
        }
        written = text;
        if (replaced.trim() === "" || replaced === text) {
            fill({ replaced: "" });
            return;
        }
        const button = document.createElement("button");
        Object.assign(button, { type: "button", className: "embmerge-action", textContent: "bring back" });
        button.dataset.embmergeText = replaced;
        const line = document.createElement("p");
        const old = document.createElement("code");
        old.textContent = replaced.length > 60 ? `${replaced.slice(0, 60)}…` : replaced;
        line.className = "embmerge-note";
        line.append("Replaced ", old, " ", button);
        root()
            .querySelectorAll('[data-embmerge-slot="replaced"]')
            .forEach((slot) => slot.replaceChildren(line));
    }

    function clearReplaced() {
        replaced = "";
        written = null;
        fill({ replaced: "" });
    }

    // A pane that was just opened for the first time has no boxes yet.
    embmerge.write = (text, attempts = 20) => {
        const box = embmerge.box("embmerge_expression");
        if (box !== null) {
            embmerge.setText(box, text);
            requestAnimationFrame(() => box.focus()); // its tab may only now become visible
        } else if (attempts > 0) {
            setTimeout(() => embmerge.write(text, attempts - 1), 50);
        }
    };

    // Open our tab among the WebUI's, and one of its panes by its title: "Build", "Help", ….
    embmerge.openPane = (title) => {
        if (!openModern("tab_embmerge")) {
            openTab("#tabs", "Save embedding");
        }
        openTab("#embmerge_tabs", title);
    };

    // Only the title is the same everywhere: gradio 3 gives these buttons no id, later ones keep some in a menu.
    function openTab(tabs, title) {
        const wanted = title.toLowerCase();
        Array.from(root().querySelectorAll(`${tabs} button`))
            .find((button) => button.textContent.trim().toLowerCase() === wanted && button.closest("[aria-hidden=true]") === null)
            ?.click();
    }

    // SD.Next's ModernUI has buttons of its own for the tabs.
    function openModern(id) {
        const button = root().querySelector(`button[tabitemid$="#${id}_tabitem"]`);
        button?.click();
        return button !== null;
    }

    function sendTo(place, name) {
        const box = embmerge.box(`${place}_prompt`);
        if (box === null) {
            return;
        }
        const text = box.value.trimEnd();
        embmerge.setText(box, text === "" ? name : `${text}${text.endsWith(",") ? "" : ","} ${name}`);
        embmerge.recount?.();
        const open = window[`switch_to_${place}`];
        if (!openModern(place) && typeof open === "function") {
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
            restore();
            askPreview();
            askName();
        }
    };
    const beginSoon = embmerge.debounce(begin, 50);
    new MutationObserver(beginSoon).observe(document, { childList: true, subtree: true });
    beginSoon();
})();
