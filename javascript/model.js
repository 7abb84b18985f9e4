// Which model the program has in memory. It tells nobody on the page that it has loaded another one, so it is looked at
// while somebody sees what depends on it: now and then, and at once when somebody comes, clicks or types.
(() => {
    const LOOK_MS = 500;
    const IDLE_MS = 2000;
    const TOUCH_MS = 500;
    // Where a look is a question to gradio: gradio 3 draws all of a WebUI's page anew with every answer.
    const ASKED_IDLE_MS = 10000;
    const ASKED_TOUCH_MS = 2000;
    const embmerge = (window.embmerge = window.embmerge || {});
    // Each with `isShown`, whether anything that depends on the model is in sight, and `tell`, which gets the models'
    // names; with `mayAsk`, also where that draws the page anew.
    const watchers = (embmerge.modelWatchers = embmerge.modelWatchers || []);
    let looked = 0;
    let isLooking = false;
    let mustAsk = false;

    function look(afterMs, afterAskedMs) {
        const shown = document.visibilityState === "visible" ? watchers.filter((one) => one.isShown()) : [];
        const wanted = mustAsk ? shown.filter((one) => one.mayAsk) : shown;
        if (isLooking || wanted.length === 0 || Date.now() - looked < (mustAsk ? afterAskedMs : afterMs)) {
            return;
        }
        looked = Date.now();
        const deliver = ({ state }) => wanted.forEach((one) => one.tell(state));
        if (mustAsk) {
            embmerge.ask("follow", "follow", {}, deliver);
            return;
        }
        isLooking = true;
        embmerge.glance("follow").then((answer) => {
            isLooking = false;
            mustAsk = answer === null;
            if (answer) {
                deliver(answer);
            }
        });
    }

    const lookNow = () => look(TOUCH_MS, ASKED_TOUCH_MS);
    const lookSoon = () => setTimeout(lookNow, 100); // what was clicked may be a tab that is to be shown

    setInterval(() => look(IDLE_MS, ASKED_IDLE_MS), LOOK_MS);
    window.addEventListener("focus", lookNow);
    document.addEventListener("visibilitychange", lookNow);
    ["click", "focusin", "input"].forEach((kind) => document.addEventListener(kind, lookSoon, true));
    document.addEventListener("pointerover", ({ target, relatedTarget }) => {
        const isIn = (node) => node instanceof Element && node.closest("#embmerge_page") !== null;
        if (isIn(target) && !isIn(relatedTarget)) {
            lookNow();
        }
    });
})();
