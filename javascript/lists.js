// The lists of embeddings that others keep in the page, the WebUI's cards and tag completion's words: they read the folder
// again when their own refresh is used, so that is done for whoever has saved a file here.
(() => {
    const SOON_MS = 300; // several files that are saved at once are read once
    const LOOK_MS = 1000;
    const embmerge = (window.embmerge = window.embmerge || {});

    // A1111 1.10.1 and Forge have one for each tab with prompts; it refreshes all cards of that tab.
    const REFRESH = "_extra_refresh_internal";
    const CARDS = `button[id$='_textual_inversion${REFRESH}']`;
    const due = new Set(); // ids of those that are to be pressed

    // Not before somebody sees the cards: the refresh reads the checkpoints again, too, whose list is empty meanwhile, and
    // a picture that is begun then fails, or is made with another checkpoint.
    // Source: A1111 1.10.1, modules/ui_extra_networks.py:773-777, modules/sd_models.py:153-155, :218-240.
    function refreshShown() {
        for (const button of due.size > 0 ? embmerge.root().querySelectorAll(CARDS) : []) {
            if (due.has(button.id) && isShown(button.id.replace(REFRESH, "_cards"))) {
                due.delete(button.id);
                button.click();
            }
        }
    }

    function isShown(cards) {
        const place = embmerge.root().querySelector(`#${cards}`);
        return place === null || place.offsetParent !== null; // where they are called otherwise, nobody knows
    }

    setInterval(refreshShown, LOOK_MS);
    document.addEventListener("click", () => setTimeout(refreshShown, 100), true); // it may open their tab

    // Source: DominikDoom/a1111-sd-webui-tagcomplete 4170882f, javascript/tagAutocomplete.js; earlier ones have a button only.
    function refreshTagCompletion() {
        if ("TAC_CFG" in window && typeof window.refreshEmbeddings === "function") {
            window.refreshEmbeddings();
        } else {
            embmerge.root().querySelector("#refresh_tac_refreshTempFiles")?.click();
        }
    }

    const refresh = embmerge.debounce(() => {
        embmerge.root().querySelectorAll(CARDS).forEach((button) => due.add(button.id));
        refreshShown();
        refreshTagCompletion();
    }, SOON_MS);

    // Called when files were made by any pane.
    embmerge.filesChanged = () => {
        embmerge.recount?.();
        refresh();
    };
})();
