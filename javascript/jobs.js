// Long work has an id that this page alone knows, so that cancelling it here never stops another page's.
(() => {
    const embmerge = (window.embmerge = window.embmerge || {});
    const numbers = new Uint32Array(4);
    crypto.getRandomValues(numbers);
    const job = Array.from(numbers, (number) => number.toString(16).padStart(8, "0")).join("");

    embmerge.jobOfThisPage = () => job;
})();
