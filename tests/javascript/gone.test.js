// "Reload UI" takes everything off the page while answers are still to come and timers run: nothing may raise then.
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { describe, test } from "node:test";

import { ASK_BUTTON, cases, Page } from "./page.js";

const SCRIPTS = readdirSync(new URL("../../javascript/", import.meta.url)).map((name) => name.replace(/\.js$/, ""));
const BOXES = ["txt2img_prompt", "hires_prompt", "embmerge_expression", "embmerge_name", "embmerge_many_lines"];
const SLOTS = ["summary", "messages", "judged", "replaced", "many", "table", "pictures", "loads"];
const HTML = `
    ${ASK_BUTTON}
    <div id="tabs"><button>Save embedding</button></div>
    ${BOXES.map((id) => `<div id="${id}_row"><div id="${id}"><textarea></textarea></div></div>`).join("")}
    <div id="embmerge_page">
        ${SLOTS.map((name) => `<div id="embmerge_${name}"><div data-embmerge-slot="${name}"></div></div>`).join("")}
        <div id="embmerge_many"><div id="embmerge_many_mode"><label><input type="radio" checked>lines</label></div></div>
        <div id="embmerge_dtype"><label><input type="radio" value="float16"></label></div>
        <button id="embmerge_save">Save</button><button id="csv" data-embmerge-csv></button>
        <button id="action" data-embmerge-target="embmerge_dtype" data-embmerge-value="float16"></button>
        <button id="text" data-embmerge-text="'dog'" data-embmerge-pane="build"></button>
        <button id="send" data-embmerge-send="txt2img" data-embmerge-name="cat"></button>
        <input data-embmerge-filter>
    </div>
    <button id="txt2img_token_button"></button>`;
const EVERYTHING = Object.fromEntries([...SLOTS, "lines", "error"].map((name) => [name, "<b class='embmerge-unloaded'>x</b>"]));
const ANSWER = { slots: EVERYTHING, state: { count: 1, model: "x", csv: "a", file: "a.csv" } };

// A page with every script in it; what a script raises, in an event or a timer, ends the test.
function openAll() {
    const errors = [];
    const updates = [];
    const page = new Page(HTML, SCRIPTS, {
        gradioApp: () => page.document,
        onUiUpdate: (action) => updates.push(action),
        opts: {},
        crypto: { getRandomValues: (numbers) => numbers },
    });
    page.window.URL.createObjectURL = page.window.URL.revokeObjectURL = () => "blob:";
    page.window.addEventListener("error", ({ error }) => errors.push(error));
    page.update = () => updates.forEach((action) => action());
    page.check = () => assert.deepEqual(errors, []);
    return page;
}

async function write(page) {
    for (const id of BOXES) {
        await page.type(`#${id} textarea`, "<'cat'> <'dog'>", 50);
    }
    await page.click("#csv");
    await page.click("#action");
    await page.click("#text");
    await page.click("#send");
}

// Answer so many of the questions, one after the other.
async function answerFirst(page, wanted) {
    for (let answered = 0; answered < wanted && answered < page.asked.length; answered += 1) {
        await page.answer(ANSWER);
        await page.clock.advance(500);
    }
}

describe("everything is taken off the page", () => {
    const asked = new Set();
    const MOMENTS = Object.fromEntries(Array.from({ length: 15 }, (_, number) => [`${number} answers were there`, [number]]));

    cases(test, MOMENTS, async (answers) => {
        const page = openAll();
        await page.clock.advance(100);
        await write(page);
        await page.clock.advance(1000);
        await answerFirst(page, answers);
        page.asked.forEach(({ kind }) => asked.add(kind));
        page.document.body.innerHTML = "<h1>Reloading...</h1>";
        if (page.asked.length > answers) {
            await page.answer(ANSWER);
        }
        page.update();
        const { embmerge } = page;
        embmerge.saved();
        embmerge.opened();
        embmerge.recount();
        embmerge.write("'cat'");
        embmerge.openPane("build");
        embmerge.reveal("embmerge_long", true);
        embmerge.ask("build", "preview", {}, () => {});
        for (const event of ["focus", "input", "change", "keydown", "pointerover", "visibilitychange"]) {
            page.document.dispatchEvent(new page.window.Event(event, { bubbles: true }));
        }
        await page.clock.advance(200_000);
        page.check();
    });

    test("when every kind of question was on its way", () => {
        const kinds = ["preview", "name", "prompt_lines", "many", "table", "pictures", "loads", "csv"];
        assert.deepEqual(kinds.filter((kind) => !asked.has(kind)), []);
    });
});
