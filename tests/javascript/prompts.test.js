import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { ASK_BUTTON, cases, Page } from "./page.js";

const HTML = `
    ${ASK_BUTTON}
    <div id="txt2img_prompt_row"><div id="txt2img_prompt"><textarea></textarea></div></div>
    <div id="txt2img_neg_prompt_row"><div id="txt2img_neg_prompt"><textarea></textarea></div></div>
    <button id="txt2img_token_button"></button>`;
const PROMPT = "#txt2img_prompt textarea";
const LINES = "#embmerge_lines_txt2img_prompt";

const open = (html = HTML, globals = {}) => new Page(html, ["channel", "prompts"], globals);

describe("a prompt", () => {
    const ASKED = {
        "an expression": ["a <'cat'> on", true],
        "in double quotes": ['<"cat">', true],
        "in curly brackets": ["{'cat'}", true],
        "a function": ["a <lerp('cat', 'dog', 0.5)>", true],
        "a sign before it": ["<-'cat'>", true],
        "a factor": ["<0.5*('cat')>", true],
        "still being typed": ["a <'ca", true],
        "a heart": ["I <3 you", false],
        "a lora": ["a <lora:x:1>", false],
        "a choice": ["{red|blue}", false],
        "words": ["a cat", false],
    };
    cases(test, ASKED, async (text, isAsked) => {
        const page = open();
        page.find(PROMPT).value = text;
        await page.clock.advance(1000);
        const expected = isAsked ? [{ kind: "prompt_lines", text, id: 1 }] : [];
        assert.deepEqual(page.asked, expected);
    });

    test("is asked for once it has been left alone, however it has changed, and once", async () => {
        const page = open();
        page.find(PROMPT).value = "<'c";
        await page.clock.advance(200);
        page.find(PROMPT).value = "<'cat'>";
        await page.clock.advance(200);
        assert.equal(page.asked.length, 0);
        await page.clock.advance(600);
        await page.answer({ slots: { lines: "1 vector" } });
        await page.clock.advance(5000);
        assert.deepEqual(page.asked.map(({ text }) => text), ["<'cat'>"]);
    });

    test("has its lines below its row, which say for whom they are", async () => {
        const page = open();
        page.find("#txt2img_neg_prompt textarea").value = "<'cat'>";
        await page.clock.advance(1000);
        await page.answer({ slots: { lines: "<b>1 vector</b>" } });
        const lines = page.find("#txt2img_neg_prompt_row + div");
        assert.equal(lines.innerHTML, "<b>1 vector</b>");
        assert.equal(lines.getAttribute("aria-label"), "Expressions in the negative prompt");
    });

    test("loses its lines with its expressions, and an answer that comes late brings none back", async () => {
        const page = open();
        page.find(PROMPT).value = "<'cat'>";
        await page.clock.advance(1000);
        await page.answer({ slots: { lines: "1 vector" } });
        page.find(PROMPT).value = "<'cat' + 'dog'>";
        await page.clock.advance(1000);
        page.find(PROMPT).value = "a cat";
        await page.clock.advance(1000);
        assert.equal(page.html(LINES), "");
        await page.answer({ slots: { lines: "1 vector" } });
        assert.equal(page.html(LINES), "");
    });

    test("shows what Python failed with", async () => {
        const page = open();
        page.find(PROMPT).value = "<'cat'>";
        await page.clock.advance(1000);
        await page.answer({ slots: { error: "It failed." } });
        assert.equal(page.html(LINES), "It failed.");
    });

    test("is asked for again while the model is not loaded", async () => {
        const page = open();
        page.find(PROMPT).value = "<'cat'>";
        await page.clock.advance(1000);
        await page.answer({ slots: { lines: '<p class="embmerge-unloaded"></p>' } });
        await page.clock.advance(2500);
        assert.equal(page.asked.length, 2);
        await page.answer({ slots: { lines: "1 vector" } });
        await page.clock.advance(10_000);
        assert.equal(page.asked.length, 2);
    });

    test("is asked for again when somebody comes back to it", async () => {
        const page = open();
        page.find(PROMPT).value = "<'cat'>";
        await page.clock.advance(1000);
        await page.answer({ slots: { lines: "1 vector" } });
        page.fire(PROMPT, "focusin");
        await page.clock.advance(1000);
        assert.equal(page.asked.length, 2);
    });
});

describe("the host's counter", () => {
    const COUNTED = {
        "counts again": [undefined, 1],
        "counts again where it is switched on": [{ disable_token_counters: false }, 1],
        "is left alone where it is switched off": [{ disable_token_counters: true }, 0],
    };
    cases(test, COUNTED, async (opts, times) => {
        const page = open(HTML, opts === undefined ? {} : { opts });
        let presses = 0;
        page.find("#txt2img_token_button").addEventListener("click", () => (presses += 1));
        page.embmerge.recount();
        await page.clock.advance(100);
        assert.equal(presses, times);
    });
});
