// Shows embmerge's own error messages with their carets: the host puts "ClassName: message" into a block with a
// proportional font and folded line breaks, in which the caret would point nowhere.
(() => {
    const CARET_LINE = /\n *\^+(\n|$)/;

    function element(tag, className, children) {
        const made = document.createElement(tag);
        made.className = className;
        made.append(...children);
        return made;
    }

    function showCaret(block) {
        const text = block.textContent;
        const colon = text.indexOf(": ");
        if (block.dataset.embmerge || colon < 0 || !CARET_LINE.test(text)) {
            return;
        }
        const lines = text.slice(colon + 2).split("\n");
        const caret = lines.findIndex((line) => /^ *\^+$/.test(line));
        const message = element("div", "embmerge-error", [
            element("pre", "embmerge-source", [lines.slice(0, caret + 1).join("\n")]),
            element("p", "embmerge-sentence", [lines.slice(caret + 1).join(" ")]),
        ]);
        message.setAttribute("role", "alert");
        block.replaceChildren(message);
        block.dataset.embmerge = "shown";
        window.embmerge?.showCarets(block);
    }

    onUiUpdate(() => gradioApp().querySelectorAll("div.error").forEach(showCaret));
})();
