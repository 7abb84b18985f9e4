// Shows embmerge's own error messages with their carets: the host puts "ClassName: message" into a block with a
// proportional font and folded line breaks, in which the caret would point nowhere.
(() => {
    const CARET_LINE = /\n *\^+(\n|$)/;

    function showCaret(block) {
        const text = block.textContent;
        const colon = text.indexOf(": ");
        if (block.dataset.embmerge || colon < 0 || !CARET_LINE.test(text)) {
            return;
        }
        const message = document.createElement("pre");
        message.className = "embmerge-error";
        message.setAttribute("role", "alert");
        message.textContent = text.slice(colon + 2);
        block.replaceChildren(message);
        block.dataset.embmerge = "shown";
    }

    onUiUpdate(() => gradioApp().querySelectorAll("div.error").forEach(showCaret));
})();
