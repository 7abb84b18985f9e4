import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { ASK_BUTTON, cases, Page } from "./page.js";

describe("the help's box", () => {
    const HTML = `
        <input data-embmerge-filter>
        <p data-embmerge-entry>lerp: a blend of two</p>
        <p data-embmerge-entry>Slerp: a blend along an arc</p>
        <p data-embmerge-entry>norm: a length</p>
        <p data-embmerge-none hidden>None.</p>`;
    const FILTERED = {
        "nothing": ["", [1, 2, 3]],
        "a word": ["blend", [1, 2]],
        "in capitals": ["SLERP", [2]],
        "two words in any order": ["arc  blend", [2]],
        "blanks": ["  ", [1, 2, 3]],
        "what none has": ["xyz", []],
    };
    cases(test, FILTERED, async (words, left) => {
        const page = new Page(HTML, ["channel", "help"]);
        await page.type("input", words, 0);
        const entries = [...page.document.querySelectorAll("[data-embmerge-entry]")];
        assert.deepEqual(entries.flatMap((entry, n) => (entry.hidden ? [] : [n + 1])), left);
        assert.equal(page.find("[data-embmerge-none]").hidden, left.length > 0);
    });
});

describe("an error of ours on the host's page", () => {
    const SHOWN = {
        "has its caret": ["SyntaxProblem: a <'cat'\n  ^\nNothing closes it.", "a <'cat'\n  ^", "Nothing closes it."],
        "of several lines": ["E: one\ntwo\n ^^\nA.\nB.", "one\ntwo\n ^^", "A. B."],
        "with HTML in it": ["E: <b>\n ^\n<i>", "<b>\n ^", "<i>"],
        "of another": ["RuntimeError: CUDA out of memory", null, null],
        "that only looks alike": ["E: 2 ^ 3\nis 8", null, null],
    };
    cases(test, SHOWN, (text, source, sentence) => {
        const looks = [];
        const page = new Page('<div class="error"></div>', ["channel"]);
        Object.assign(page.window, { gradioApp: () => page.document, onUiUpdate: (look) => looks.push(look) });
        page.run("embedding_merge");
        page.find(".error").textContent = text;
        looks.forEach((look) => [look(), look()]); // the host tells of each change
        const found = (name) => page.find(`.${name}`)?.textContent ?? null;
        assert.deepEqual([found("embmerge-source"), found("embmerge-sentence")], [source, sentence]);
        assert.equal(source === null ? page.find(".error").textContent : text, text);
    });
});

describe("the line of a mistake", () => {
    const long = `${"a".repeat(60)}\n${" ".repeat(40)}^^^^`;
    const SCROLLED = {
        "goes to its caret where it is longer than its place": [long, 600, 200, 320],
        "stays where the caret is in sight": [long, 600, 500, 0],
        "stays where all is": [long, 600, 600, 0],
        "stays without a caret": ["a".repeat(60), 600, 200, 0],
    };
    cases(test, SCROLLED, (text, scrollWidth, clientWidth, expected) => {
        const page = new Page(`<div id="place"><pre class="embmerge-source">${text}</pre></div>`, ["channel"]);
        const source = page.find("pre");
        Object.defineProperties(source, { scrollWidth: { value: scrollWidth }, clientWidth: { value: clientWidth } });
        page.embmerge.showCarets(page.find("#place"));
        assert.equal(source.scrollLeft, expected);
    });
});

describe("a page's job", () => {
    test("has one id, and another page another one", () => {
        const [one, other] = [1, 2].map(() => new Page("", ["jobs"]));
        assert.match(one.embmerge.jobOfThisPage(), /^[0-9a-f]{32}$/);
        assert.equal(one.embmerge.jobOfThisPage(), one.embmerge.jobOfThisPage());
        assert.notEqual(one.embmerge.jobOfThisPage(), other.embmerge.jobOfThisPage());
    });
});

describe("many at once", () => {
    const box = (name, value) => `<div id="embmerge_many_${name}"><textarea>${value}</textarea></div>`;
    const HTML = `
        ${ASK_BUTTON}
        <div id="embmerge_many">
            <div id="embmerge_many_mode"><label><input type="radio" checked> One for each line </label></div>
            ${box("lines", "")}${box("folder", "sub")}${box("expression", "'a'")}${box("start", "0")}
            ${box("stop", "1")}${box("steps", "3")}${box("pattern", "x-#")}
            <div id="embmerge_many_overwrite"><input type="checkbox" checked></div>
            <div id="embmerge_many_same_name"><input type="checkbox"></div>
            <div id="embmerge_many_long"><input type="radio" value="split" checked></div>
            <div data-embmerge-slot="many"></div>
            <button id="embmerge_many_run"></button>
        </div>`;

    async function open() {
        const page = new Page(HTML, ["channel", "tab", "many"]);
        await page.clock.advance(200);
        return page;
    }

    test("is asked for at first, and when something is written", async () => {
        const page = await open();
        await page.answer({ slots: { many: "nothing yet" } });
        assert.equal(page.html('[data-embmerge-slot="many"]'), "nothing yet");
        await page.type("#embmerge_many_lines textarea", "cat = 'cat'");
        assert.deepEqual(page.lastAsked, {
            kind: "many", mode: "One for each line", text: "cat = 'cat'", folder: "sub", expression: "'a'",
            start: "0", stop: "1", steps: "3", pattern: "x-#", overwrite: true, same_name: false, long: "split",
        });
    });

    const LONG = {
        "is offered to be split where it is long": [{ isLong: true }, true],
        "is not where it is short": [{ isLong: false }, false],
        "stays as it was where there is a mistake": [{ broken: true, isLong: true }, false],
        "stays as it was where Python failed": [{ failed: true, isLong: true }, false],
    };
    cases(test, LONG, async (state, isShown) => {
        const page = await open();
        await page.answer({ slots: { many: "shown", error: "failed" }, state });
        const classes = page.find("#embmerge_many_long").classList;
        assert.equal(classes.contains("embmerge-shown"), isShown);
        assert.equal(page.html('[data-embmerge-slot="many"]'), state.failed ? "failed" : "shown");
    });

    test("is made with Ctrl+Enter, where it can be", async () => {
        const page = await open();
        let presses = 0;
        page.find("#embmerge_many_run").addEventListener("click", () => (presses += 1));
        const keys = { key: "Enter", ctrlKey: true };
        assert.equal(page.fire("#embmerge_many_lines textarea", "keydown", keys), false);
        page.find("#embmerge_many_run").disabled = true;
        assert.equal(page.fire("#embmerge_many_lines textarea", "keydown", keys), true);
        assert.equal(presses, 1);
    });
});
