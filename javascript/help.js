// The pane "Help": the box above the functions leaves those that hold what is written.
(() => {
    const root = () => window.embmerge.root();

    function filter(words) {
        const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
        let left = 0;
        root()
            .querySelectorAll("[data-embmerge-entry]")
            .forEach((entry) => {
                const text = entry.textContent.toLowerCase();
                entry.hidden = !wanted.every((word) => text.includes(word));
                left += entry.hidden ? 0 : 1;
            });
        root()
            .querySelectorAll("[data-embmerge-none]")
            .forEach((note) => {
                note.hidden = left > 0;
            });
    }

    document.addEventListener("input", ({ target }) => {
        if (target instanceof Element && target.matches("input[data-embmerge-filter]")) {
            filter(target.value);
        }
    });
})();
