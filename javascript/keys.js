// What gradio leaves out for keyboards and screen readers: its folds say whether they are open, and its tabs are tabs.
(() => {
    const embmerge = (window.embmerge = window.embmerge || {});
    const root = () => embmerge.root();
    const all = (selector) => [...root().querySelectorAll(selector)];

    // gradio 3 forbids to enlarge the page; that of the app is ours.
    function allowZoom() {
        const meta = document.querySelector("meta[name=viewport]");
        if (root().querySelector("#embmerge_welcome") !== null && meta !== null && meta.content.includes("maximum-scale")) {
            meta.content = "width=device-width, initial-scale=1";
        }
    }

    function tend() {
        allowZoom();
        all(".embmerge-page .label-wrap").forEach(tendFold);
        all(".embmerge-page .tab-nav, .embmerge-page [role=tablist]").forEach(tendTabs);
        // A name that leaves out what is written on the button is no help to who speaks it.
        all(".embmerge-page .upload-container[aria-label]").forEach((node) => node.removeAttribute("aria-label"));
        all("#embmerge_save, #embmerge_save button").forEach((node) => {
            if (node.tagName === "BUTTON" && !node.hasAttribute("aria-keyshortcuts")) {
                node.setAttribute("aria-keyshortcuts", "Control+Enter");
                node.title = "Ctrl+Enter";
            }
        });
    }

    // In gradio 3 the label of a fold is no button, so no key reaches it.
    function tendFold(label) {
        put(label, "aria-expanded", String(label.classList.contains("open")));
        if (label.tagName !== "BUTTON") {
            put(label, "role", "button");
            put(label, "tabindex", "0");
        }
    }

    function tendTabs(list) {
        const tabs = tabsOf(list);
        if (tabs.length === 0) {
            return;
        }
        put(list, "role", "tablist");
        for (const tab of tabs) {
            const isChosen = tab.classList.contains("selected") || tab.getAttribute("aria-selected") === "true";
            put(tab, "role", "tab");
            put(tab, "aria-selected", String(isChosen));
            put(tab, "tabindex", isChosen ? "0" : "-1");
        }
    }

    const tabsOf = (list) => [...list.children].filter((node) => node.tagName === "BUTTON");

    function put(node, name, value) {
        if (node.getAttribute(name) !== value) {
            node.setAttribute(name, value);
        }
    }

    const STEPS = { ArrowRight: 1, ArrowLeft: -1, Home: -Infinity, End: Infinity };

    document.addEventListener("keydown", (event) => {
        const { target, key } = event;
        if (!(target instanceof Element) || target.closest(".embmerge-page") === null) {
            return;
        }
        const fold = target.closest(".label-wrap[role=button]");
        if (fold !== null && fold.tagName !== "BUTTON" && (key === "Enter" || key === " ")) {
            event.preventDefault();
            fold.click();
        }
        const list = target.closest("[role=tablist]");
        if (list !== null && key in STEPS) {
            event.preventDefault();
            move(list, target, STEPS[key]);
        }
    });

    function move(list, from, step) {
        const tabs = tabsOf(list);
        const place = tabs.indexOf(from);
        const wanted = Number.isFinite(step) ? (place + step + tabs.length) % tabs.length : step < 0 ? 0 : tabs.length - 1;
        tabs[wanted].click();
        setTimeout(() => tabsOf(list)[wanted]?.focus()); // gradio 3 and 4 make the chosen one anew
    }

    const tendSoon = embmerge.debounce(tend, 50);
    new MutationObserver(tendSoon).observe(document, {
        childList: true,
        subtree: true,
        attributes: true,
        attributeFilter: ["class", "aria-selected"],
    });
    tendSoon();
})();
