import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { ASK_BUTTON, Page } from "./page.js";

const open = (html = ASK_BUTTON) => new Page(html, ["channel"]);
const askFor = (page, purpose, got = [], fields = {}) =>
    page.embmerge.ask(purpose, purpose, fields, (answer) => got.push([purpose, answer.state.value]));
const kinds = (page) => page.asked.map(({ kind }) => kind);

describe("questions", () => {
    test("carry their fields, their kind and a number of their own", () => {
        const page = open();
        askFor(page, "preview", [], { text: "'cat'", kind: "other", id: 99 });
        assert.deepEqual(page.asked, [{ text: "'cat'", kind: "preview", id: 1 }]);
    });

    test("go one at a time, in order", async () => {
        const page = open();
        const got = [];
        ["a", "b", "c"].forEach((purpose) => askFor(page, purpose, got));
        assert.deepEqual(kinds(page), ["a"]);
        await page.answer({ state: { value: 1 } });
        assert.deepEqual(kinds(page), ["a", "b"]);
        await page.answer({ state: { value: 2 } });
        await page.answer({ state: { value: 3 } });
        assert.deepEqual(got, [["a", 1], ["b", 2], ["c", 3]]);
    });

    test("of the same purpose replace one that waits, and go to the end", async () => {
        const page = open();
        askFor(page, "a");
        askFor(page, "b", [], { text: "old" });
        askFor(page, "c");
        askFor(page, "b", [], { text: "new" });
        await page.answer();
        await page.answer();
        await page.answer();
        assert.deepEqual(kinds(page), ["a", "c", "b"]);
        assert.equal(page.asked[2].text, "new");
    });

    test("that were forgotten are not asked", async () => {
        const page = open();
        ["a", "b", "c", "d"].forEach((purpose) => askFor(page, purpose));
        page.embmerge.forget("b", "c", "none");
        await page.answer();
        assert.deepEqual(kinds(page), ["a", "d"]);
    });

    test("are dropped where there is no button", () => {
        const page = open("");
        askFor(page, "a");
        page.document.body.innerHTML = ASK_BUTTON;
        askFor(page, "b");
        assert.deepEqual(kinds(page), ["b"]);
    });

    test("find the button inside gradio 3's block", () => {
        const page = open('<div id="embmerge_ask"><button></button></div>');
        let presses = 0;
        page.find("button").addEventListener("click", () => (presses += 1));
        askFor(page, "a");
        assert.equal(presses, 1);
    });

    test("are put again while gradio does not listen yet, and no longer", async () => {
        const page = open();
        page.listens = false;
        askFor(page, "a");
        await page.clock.advance(2500);
        page.listens = true;
        await page.clock.advance(5000);
        assert.deepEqual(kinds(page), ["a"]);
        assert.equal(page.embmerge.takeQuestion(), '{"kind":"","id":0}');
    });
});

describe("answers", () => {
    test("of a question that was asked anew meanwhile are not delivered", async () => {
        const page = open();
        const got = [];
        askFor(page, "a", got);
        askFor(page, "a", got);
        await page.answer({ state: { value: "old" } });
        assert.deepEqual(got, []);
        await page.answer({ state: { value: "new" } });
        assert.deepEqual(got, [["a", "new"]]);
    });

    const STRANGE = { nothing: "", "no JSON": "<html>", null: "null", "another number": '{"id": 7}' };
    for (const [name, text] of Object.entries(STRANGE)) {
        test(`that are ${name} are a failure in words, and free the way`, () => {
            const page = open();
            const got = [];
            page.embmerge.ask("a", "a", {}, (answer) => got.push(answer));
            askFor(page, "b", got);
            page.embmerge.giveAnswer(text);
            assert.deepEqual(kinds(page), ["a", "b"]);
            assert.equal(got.length, 1);
            assert.equal(got[0].state.failed, true);
            assert.match(got[0].slots.error, /^<p class="embmerge-error"[^>]*>This could not be answered/);
        });
    }

    test("of a press that brought no question end no other", async () => {
        const page = open();
        const got = [];
        askFor(page, "a", got);
        page.embmerge.giveAnswer('{"id": 0, "kind": "", "slots": {}, "state": {"failed": true}}');
        assert.deepEqual(got, []);
        await page.answer({ state: { value: 1 } });
        assert.deepEqual(got, [["a", 1]]);
    });

    test("that nobody waits for change nothing", () => {
        const page = open();
        page.embmerge.giveAnswer('{"id": 1}');
        askFor(page, "a");
        assert.deepEqual(kinds(page), ["a"]);
    });

    test("that come too late are not taken for those of the next question", async () => {
        const page = open();
        const got = [];
        askFor(page, "a", got);
        askFor(page, "b", got);
        await page.clock.advance(119_999);
        assert.deepEqual(kinds(page), ["a"]);
        await page.clock.advance(1);
        assert.deepEqual(kinds(page), ["a", "b"]);
        page.embmerge.giveAnswer(JSON.stringify({ id: page.asked[0].id, state: { value: "late" } }));
        await page.answer({ state: { value: 2 } });
        assert.deepEqual(got, [["b", 2]]);
    });
});

describe("an upload", () => {
    const uploading = (isThere) => {
        const file = `<i class="download">${isThere ? "<a></a>" : ""}</i>`;
        return `${ASK_BUTTON}<div id="embmerge_page"><div class="file-preview">${file}</div></div>`;
    };

    test("holds questions until it is done", async () => {
        const page = open(uploading(false));
        askFor(page, "a");
        await page.clock.advance(5000);
        assert.deepEqual(kinds(page), []);
        page.find(".download").innerHTML = "<a></a>";
        await page.clock.advance(200);
        assert.deepEqual(kinds(page), ["a"]);
    });

    test("that is done holds none", () => {
        const page = open(uploading(true));
        askFor(page, "a");
        assert.deepEqual(kinds(page), ["a"]);
    });

    test("that never ends holds them for two minutes", async () => {
        const page = open(uploading(false));
        askFor(page, "a");
        await page.clock.advance(119_000);
        assert.deepEqual(kinds(page), []);
        await page.clock.advance(2000);
        assert.deepEqual(kinds(page), ["a"]);
    });
});

describe("a debounced action", () => {
    test("is done once, with what it was called with last", async () => {
        const page = open();
        const done = [];
        const act = page.embmerge.debounce((value) => done.push(value), 100);
        act(1);
        await page.clock.advance(99);
        act(2);
        await page.clock.advance(99);
        assert.deepEqual(done, []);
        await page.clock.advance(1);
        assert.deepEqual(done, [2]);
    });

    test("can be cancelled", async () => {
        const page = open();
        const done = [];
        const act = page.embmerge.debounce(() => done.push(1), 100);
        act();
        act.cancel();
        await page.clock.advance(1000);
        assert.deepEqual(done, []);
    });
});

describe("components", () => {
    const HTML = `
        <div id="x"><div><textarea>three</textarea></div></div>
        <div id="y"><input type="text" value="four"><input type="number" value="5"></div>
        <textarea id="z">five</textarea>
        <div id="r"><input type="radio" value="a"><input type="radio" value="b" checked></div>
        <p id="s"></p><p id="s"></p>`;

    test("are read by their names, whatever gradio puts around", () => {
        const { embmerge } = open(HTML);
        assert.deepEqual(["x", "y", "z", "none"].map(embmerge.written), ["three", "four", "five", ""]);
        assert.deepEqual(["r", "x"].map(embmerge.chosen), ["b", ""]);
    });

    test("notice a text that is put into them", () => {
        const page = open(HTML);
        const noticed = [];
        page.document.addEventListener("input", ({ target }) => noticed.push(target.value));
        page.embmerge.setText(page.embmerge.box("x"), "six");
        assert.deepEqual(noticed, ["six"]);
    });

    test("are shown and hidden, both nodes of them", () => {
        const page = open(HTML);
        const shown = () => page.document.querySelectorAll(".embmerge-shown").length;
        page.embmerge.reveal("s", "yes");
        assert.equal(shown(), 2);
        page.embmerge.reveal("s", undefined);
        assert.equal(shown(), 0);
    });

    test("are looked for in the host's part of the page", () => {
        const page = new Page("", ["channel"], {});
        const part = page.document.createElement("div");
        part.innerHTML = '<textarea id="z">inside</textarea>';
        page.window.gradioApp = () => part;
        assert.equal(page.embmerge.written("z"), "inside");
    });
});
