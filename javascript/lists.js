// The lists of embeddings that others keep in the page, the WebUI's cards and tag completion's words: they read the folder
// again when their own refresh is used, so that is done for whoever has saved a file here.
(() => {
    const SOON_MS = 300; // several files that are saved at once are read once
    const embmerge = (window.embmerge = window.embmerge || {});

    // A1111 1.10.1 and Forge have one for each tab with prompts; it refreshes all cards of that tab.
    const CARDS = "button[id$='_textual_inversion_extra_refresh_internal']";

    // Source: DominikDoom/a1111-sd-webui-tagcomplete 4170882f, javascript/tagAutocomplete.js; earlier ones have a button only.
    function refreshTagCompletion() {
        if ("TAC_CFG" in window && typeof window.refreshEmbeddings === "function") {
            window.refreshEmbeddings();
        } else {
            embmerge.root().querySelector("#refresh_tac_refreshTempFiles")?.click();
        }
    }

    const refresh = embmerge.debounce(() => {
        embmerge.root().querySelectorAll(CARDS).forEach((button) => button.click());
        refreshTagCompletion();
    }, SOON_MS);

    // Called when files were made by any pane.
    embmerge.filesChanged = () => {
        embmerge.recount?.();
        refresh();
    };
})();
