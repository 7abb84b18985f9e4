import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { ASK_BUTTON, cases, Page, Server } from "./page.js";

const HTML = `
    ${ASK_BUTTON}
    <div id="tabs"><button>txt2img</button><button>Save embedding</button></div>
    <div id="embmerge_page">
        <div id="embmerge_tabs"><button>Build</button><button>Help</button></div>
        <div id="embmerge_expression"><textarea></textarea></div>
        <div id="embmerge_name"><textarea></textarea></div>
        <div id="embmerge_folder"><textarea></textarea></div>
        <div id="embmerge_overwrite"><input type="checkbox"></div>
        <div id="embmerge_same_name"><input type="checkbox"></div>
        <div id="embmerge_long"></div>
        <div id="embmerge_messages"><div data-embmerge-slot="messages"></div></div>
        <div data-embmerge-slot="summary"></div>
        <div data-embmerge-slot="judged"></div>
        <div data-embmerge-slot="name"></div>
        <div data-embmerge-slot="replaced"></div>
        <div data-embmerge-slot="gone"></div>
        <div id="embmerge_result"></div>
        <button id="embmerge_save"></button>
    </div>
    <div id="txt2img_prompt"><textarea></textarea></div>`;
const EXPRESSION = "#embmerge_expression textarea";
const NAME = "#embmerge_name textarea";

// A page on which the first preview and the first look at the name have been answered.
async function open(html = HTML, globals = {}) {
    const page = new Page(html, ["channel", "model", "tab"], globals);
    await page.clock.advance(100);
    await page.answer({ state: { model: "one" } });
    await page.answer();
    return page;
}

const slot = (page, name) => page.html(`[data-embmerge-slot="${name}"]`);
const isShown = (page, id) => page.find(`#${id}`).classList.contains("embmerge-shown");

describe("what was saved", () => {
    test("is no longer said once something else is written", async () => {
        const page = await open();
        const isOld = () => page.find("#embmerge_result").classList.contains("embmerge-old");
        page.embmerge.saved();
        assert.ok(!isOld());
        await page.type(EXPRESSION, "'cat'");
        assert.ok(isOld());
        page.embmerge.saved();
        assert.ok(!isOld());
        await page.type(NAME, "other");
        assert.ok(isOld());
    });
});

describe("what is typed", () => {
    test("is asked for once the box has been left alone", async () => {
        const page = await open();
        const before = page.asked.length;
        await page.type(EXPRESSION, "'c", 200);
        await page.type(EXPRESSION, "'cat'", 249);
        assert.equal(page.asked.length, before);
        await page.clock.advance(1);
        assert.deepEqual(page.lastAsked, { kind: "preview", text: "'cat'", name: "", folder: "" });
    });

    test("keeps the nearest words of before until the new ones are there, and drops them where none come", async () => {
        const page = await open();
        const summary = '<b>1 vector</b><i data-embmerge-slot="nearest"></i>';
        const isBusy = () => page.find('[data-embmerge-slot="nearest"]').getAttribute("aria-busy") === "true";
        await page.type(EXPRESSION, "'cat'");
        await page.answer({ slots: { summary }, state: { count: 1 }, then: "nearest" });
        assert.ok(isBusy());
        await page.answer({ slots: { nearest: "<u>cat</u>" } });
        assert.ok(!isBusy());
        page.embmerge.saved();
        await page.type(EXPRESSION, "'dog'");
        await page.answer({ slots: { summary }, state: { count: 1 }, then: "nearest" });
        assert.equal(slot(page, "nearest"), "<u>cat</u>");
        assert.ok(isBusy());
        await page.type(EXPRESSION, "'dog' *");
        await page.answer(); // of the nearest words, too late
        await page.answer({ slots: { messages: "a mistake" }, state: { broken: true } });
        assert.equal(slot(page, "nearest"), "");
        assert.ok(!isBusy());
    });

    test("is shown in the slots of the answer, and marked old while it is broken", async () => {
        const page = await open();
        await page.type(EXPRESSION, "'cat'");
        await page.answer({ slots: { summary: "<b>1 vector</b>" }, state: { count: 1, isLong: true } });
        assert.equal(slot(page, "summary"), "<b>1 vector</b>");
        assert.ok(isShown(page, "embmerge_long"));
        await page.type(EXPRESSION, "'cat' +");
        await page.answer({ slots: { messages: "a mistake" }, state: { broken: true } });
        assert.equal(slot(page, "messages"), "a mistake");
        assert.equal(slot(page, "summary"), "<b>1 vector</b>");
        const summary = page.find('[data-embmerge-slot="summary"]');
        assert.ok(summary.classList.contains("embmerge-stale"));
        assert.ok(isShown(page, "embmerge_long"), "a mistake says nothing of the length");
        await page.type(EXPRESSION, "");
        await page.answer({ slots: { summary: "" }, state: { empty: true } });
        assert.ok(!summary.classList.contains("embmerge-stale"));
        assert.ok(!isShown(page, "embmerge_long"));
    });

    test("is a mistake only when it rests, where it may only not be finished", async () => {
        const page = await open();
        await page.type(EXPRESSION, "'cat' +");
        await page.answer({ slots: { messages: "a hint" }, state: { broken: true, rested: "a mistake" } });
        assert.equal(slot(page, "messages"), "a hint");
        assert.equal(page.find(EXPRESSION).getAttribute("aria-invalid"), "false");
        await page.clock.advance(1499);
        assert.equal(slot(page, "messages"), "a hint");
        await page.clock.advance(1);
        assert.equal(slot(page, "messages"), "a mistake");
        assert.equal(page.find(EXPRESSION).getAttribute("aria-invalid"), "true");
    });

    test("is no mistake while it is typed on", async () => {
        const page = await open();
        await page.type(EXPRESSION, "'cat' + '");
        await page.answer({ slots: { messages: "a hint" }, state: { broken: true, rested: "a mistake" } });
        await page.type(EXPRESSION, "'cat' + 'dog'", 1600);
        assert.equal(slot(page, "messages"), "a hint", "what was typed on is no mistake");
    });

    test("is said to be answered by nobody, until somebody answers again", async () => {
        let isThere = false;
        const fetch = () => (isThere ? Promise.resolve({}) : Promise.reject(new TypeError()));
        const page = await open(HTML, { fetch });
        await page.type(EXPRESSION, "'cat'");
        await page.clock.advance(4000);
        assert.match(slot(page, "gone"), /does not answer/);
        isThere = true;
        await page.clock.advance(5000);
        assert.equal(slot(page, "gone"), "");
    });

    test("is asked for again in the way that the answer says", async () => {
        const page = await open();
        await page.type(EXPRESSION, "'cat'");
        await page.answer({ state: { waiting: true }, then: "load" });
        assert.equal(page.lastAsked.kind, "load");
    });

    test("is not asked for again where something else is written meanwhile", async () => {
        const page = await open();
        await page.type(EXPRESSION, "'cat'");
        await page.type(EXPRESSION, "'cat' -", 0);
        await page.answer({ slots: {}, state: { count: 1 }, then: "nearest" });
        assert.equal(page.lastAsked.kind, "preview");
        await page.clock.advance(250);
        assert.deepEqual([page.lastAsked.kind, page.lastAsked.text], ["preview", "'cat' -"]);
    });

    test("fails visibly where Python failed", async () => {
        const page = await open();
        await page.type(EXPRESSION, "'cat'");
        await page.answer({ slots: { error: "It failed." }, state: { failed: true } });
        assert.equal(slot(page, "messages"), "It failed.");
    });

    test("is told to the folds, with the fields that were asked for", async () => {
        const page = await open();
        const told = [];
        page.document.addEventListener("embmerge:previewed", ({ detail }) => told.push(detail));
        await page.type(EXPRESSION, "'cat'");
        page.find(EXPRESSION).value = "'cat' + ";
        await page.answer({ state: { count: 1 } });
        assert.deepEqual(JSON.parse(JSON.stringify(told)), [
            { kind: "preview", fields: { text: "'cat'", name: "", folder: "" }, state: { count: 1 } },
        ]);
    });

    test("comes back when the page is loaded anew", async () => {
        const page = await open();
        await page.type(EXPRESSION, "'cat'");
        const kept = page.window.sessionStorage.getItem("embmerge_expression");
        const script = `sessionStorage.setItem("embmerge_expression", ${JSON.stringify(kept)})`;
        const newer = new Page(HTML, ["channel"]);
        newer.window.eval(script);
        newer.run("tab");
        await newer.clock.advance(100);
        assert.equal(newer.find(EXPRESSION).value, "'cat'");
    });
});

describe("a name", () => {
    test("shows the boxes that its answer asks for, and is another file when it changes", async () => {
        const page = await open();
        await page.type(NAME, "mine");
        assert.equal(page.lastAsked.kind, "name");
        await page.answer({ slots: { name: "exists" }, state: { exists: true, doubtful: false } });
        assert.deepEqual([isShown(page, "embmerge_overwrite"), isShown(page, "embmerge_same_name")], [true, false]);
        const box = page.find("#embmerge_overwrite input");
        box.checked = true;
        await page.type(NAME, "other", 0);
        assert.equal(box.checked, false);
    });

    test("that was just saved needs no warning", async () => {
        const page = await open();
        await page.type(NAME, "mine");
        page.find("#embmerge_result").innerHTML = '<p class="embmerge-saved"></p>';
        page.embmerge.saved();
        await page.answer({ slots: { name: "It exists." }, state: { exists: true } });
        assert.equal(slot(page, "name"), "");
        assert.ok(!isShown(page, "embmerge_overwrite"));
        assert.equal(page.lastAsked.kind, "preview");
    });

    test("is looked at again where saving was refused", async () => {
        const page = await open();
        const before = page.asked.length;
        page.embmerge.saved();
        assert.equal(page.asked.length, before + 1);
        assert.equal(page.lastAsked.kind, "name");
    });
});

describe("a saved embedding in a prompt", () => {
    const SENT = {
        "into an empty box": ["", "mine"],
        "behind words": ["a cat", "a cat, mine"],
        "behind a comma": ["a cat, ", "a cat, mine"],
        "behind blanks": ["a cat  \n", "a cat, mine"],
    };
    cases(test, SENT, async (before, after) => {
        const opened = [];
        const page = await open(HTML, { switch_to_txt2img: () => opened.push("txt2img") });
        page.find("#txt2img_prompt textarea").value = before;
        const button = '<button data-embmerge-send="txt2img" data-embmerge-name="mine"></button>';
        page.embmerge.fill({ messages: button });
        await page.click("[data-embmerge-send]");
        assert.equal(page.find("#txt2img_prompt textarea").value, after);
        assert.deepEqual(opened, ["txt2img"]);
    });

    test("is offered only where there is such a prompt", async () => {
        const page = await open();
        const buttons = ["txt2img", "img2img"].map((place) => `<button data-embmerge-send="${place}"></button>`);
        page.embmerge.fill({ messages: buttons.join("") });
        const hidden = [...page.document.querySelectorAll("[data-embmerge-send]")].map((button) => button.hidden);
        assert.deepEqual(hidden, [false, true]);
    });
});

describe("a button with a text", () => {
    const example = (text) => `<button data-embmerge-text="${text}" class="example"></button>`;

    test("of an example offers back what somebody has written", async () => {
        const page = await open();
        await page.type(EXPRESSION, "'my own'");
        page.embmerge.fill({ judged: example("'one'") });
        await page.click(".example");
        page.embmerge.fill({ judged: example("'two'") });
        await page.click(".example");
        assert.equal(page.find(EXPRESSION).value, "'two'");
        assert.equal(page.find('[data-embmerge-slot="replaced"] code').textContent, "'my own'");
        await page.click('[data-embmerge-slot="replaced"] button');
        assert.equal(page.find(EXPRESSION).value, "'my own'");
        assert.equal(slot(page, "replaced"), "");
    });

    test("of a mistake's repair offers nothing back", async () => {
        const page = await open();
        await page.type(EXPRESSION, "'cat' +");
        page.embmerge.fill({ messages: example("'cat'") });
        await page.click(".example");
        assert.equal(page.find(EXPRESSION).value, "'cat'");
        assert.equal(slot(page, "replaced"), "");
    });

    test("shows what it replaced as text, shortened", async () => {
        const page = await open();
        await page.type(EXPRESSION, `<b>${"x".repeat(80)}`);
        page.embmerge.fill({ judged: example("'one'") });
        await page.click(".example");
        assert.equal(page.find('[data-embmerge-slot="replaced"] code').textContent, `<b>${"x".repeat(57)}…`);
    });
});

describe("tabs", () => {
    test("are opened by their titles", async () => {
        const page = await open();
        const pressed = [];
        page.document.addEventListener("click", ({ target }) => pressed.push(target.textContent));
        page.embmerge.openPane("help");
        assert.deepEqual(pressed, ["Save embedding", "Help"]);
    });

    test("of another frame are opened by its own buttons", async () => {
        const page = await open(`${HTML}<button tabitemid="#tab_embmerge_tabitem">ours</button>`);
        const pressed = [];
        page.document.addEventListener("click", ({ target }) => pressed.push(target.textContent));
        page.embmerge.openPane("Build");
        assert.deepEqual(pressed, ["ours", "Build"]);
    });
});

describe("another model", () => {
    const summary = (page) => page.find('[data-embmerge-slot="summary"]').classList;

    test("is looked for past gradio, and all is asked anew", async () => {
        const server = new Server({ model: "one" });
        const page = await open(HTML, server.globals());
        await page.clock.advance(2500);
        assert.equal(page.asked.length, 2);
        assert.deepEqual(server.asked.at(-1), ["http://localhost/run/predict", 1, { kind: "follow", id: 0 }]);
        server.state = { model: "two" };
        await page.clock.advance(2500);
        assert.equal(page.lastAsked.kind, "preview");
    });

    const NEWER = [
        { id: 7, backend_fn: true, targets: [[3, "click"]] },
        { id: 5, backend_fn: true, targets: [[4, "click"]] },
    ];

    test("is looked for by a newer gradio's address and number", async () => {
        const server = new Server({ model: "one" });
        const page = await open(HTML, server.globals({ api_prefix: "/gradio_api", dependencies: NEWER }));
        await page.clock.advance(2500);
        assert.deepEqual(server.asked.at(-1).slice(0, 2), ["http://localhost/gradio_api/run/predict", 5]);
    });

    const TOUCHES = {
        "a click": [(page) => page.find(NAME).click()],
        "a key": [(page) => page.type(NAME, "x")],
        "coming to a box": [(page) => page.find(NAME).focus()],
        "coming back to the window": [(page) => page.window.dispatchEvent(new page.window.Event("focus"))],
    };
    cases(test, TOUCHES, async (touch) => {
        const server = new Server({ model: "one" });
        const page = await open(HTML, server.globals());
        await page.clock.advance(3000);
        const before = server.asked.length;
        await page.clock.advance(600);
        assert.equal(server.asked.length, before);
        await touch(page);
        await page.clock.advance(150);
        assert.equal(server.asked.length, before + 1);
    });

    test("that is the same one changes nothing", async () => {
        const server = new Server({ model: "one" });
        const page = await open(HTML, server.globals());
        await page.clock.advance(30_000);
        assert.equal(page.asked.length, 2);
    });

    test("is waited for while it is being loaded, and none is loaded for it", async () => {
        const server = new Server({ model: "" });
        const page = await open(HTML, server.globals());
        await page.clock.advance(2500);
        assert.equal(page.asked.length, 2);
        assert.ok(summary(page).contains("embmerge-awaiting"));
        server.state = { model: "one" };
        await page.clock.advance(2500);
        assert.equal(page.asked.length, 2);
        assert.ok(!summary(page).contains("embmerge-awaiting"));
    });

    test("is looked for again once somebody answers again", async () => {
        const server = new Server({ model: "one" });
        const page = await open(HTML, server.globals());
        server.isGone = true;
        await page.clock.advance(5000);
        server.isGone = false;
        server.state = { model: "two" };
        await page.clock.advance(2500);
        assert.equal(page.lastAsked.kind, "preview");
    });

    test("is asked for through gradio where nothing else answers, seldom", async () => {
        const page = await open();
        await page.clock.advance(3000);
        assert.equal(page.asked.length, 2);
        await page.clock.advance(8000);
        assert.equal(page.lastAsked.kind, "follow");
        await page.answer({ state: { model: "two" } });
        assert.equal(page.lastAsked.kind, "preview");
    });

    const COMPUTED = { "with the model that the page spoke of": ["one", true], "with another one": ["two", false] };
    cases(test, COMPUTED, async (computed, isHidden) => {
        const page = await open();
        page.find("#embmerge_result").innerHTML = `<p data-embmerge-computed="${computed}" hidden></p>`;
        page.embmerge.saved();
        assert.equal(page.find("[data-embmerge-computed]").hidden, isHidden);
    });

    test("is not looked for while nobody sees the tab", async () => {
        const page = await open();
        page.find("#embmerge_page").hidden = true;
        const before = page.asked.length;
        page.find(NAME).click();
        await page.clock.advance(60_000);
        assert.equal(page.asked.length, before);
    });
});

describe("Ctrl+Enter", () => {
    const PRESSED = {
        "with Ctrl": [{ key: "Enter", ctrlKey: true }, 1],
        "with Cmd": [{ key: "Enter", metaKey: true }, 1],
        "without": [{ key: "Enter" }, 0],
        "another key": [{ key: "s", ctrlKey: true }, 0],
    };
    cases(test, PRESSED, async (keys, times) => {
        const page = await open();
        let presses = 0;
        page.find("#embmerge_save").addEventListener("click", () => (presses += 1));
        page.fire(EXPRESSION, "keydown", keys);
        assert.equal(presses, times);
    });
});
