import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { ASK_BUTTON, cases, Page, Server } from "./page.js";

const HTML = `
    ${ASK_BUTTON}
    <div id="txt2img_prompt_row"><div id="txt2img_prompt"><textarea></textarea></div></div>
    <div id="txt2img_neg_prompt_row"><div id="txt2img_neg_prompt"><textarea></textarea></div></div>
    <button id="txt2img_token_button"></button>`;
const PROMPT = "#txt2img_prompt textarea";
const LINES = "#embmerge_lines_txt2img_prompt";

const open = (html = HTML, globals = {}) => new Page(html, ["channel", "model", "prompts"], globals);

describe("a prompt", () => {
    const ASKED = {
        "an expression": ["a <'cat'> on", true],
        "in double quotes": ['<"cat">', true],
        "in curly brackets": ["{'cat'}", true],
        "a function": ["a <lerp('cat', 'dog', 0.5)>", true],
        "a sign before it": ["<-'cat'>", true],
        "a factor": ["<0.5*('cat')>", true],
        "still being typed": ["a <'ca", true],
        "words without quotes": ["a <cat - adult>", true],
        "other brackets": ["a ‹'cat'›", true],
        "other quotes": ["a {‘cat’}", true],
        "a heart": ["I <3 you", false],
        "a lora": ["a <lora:x:1>", false],
        "a choice": ["{red|blue}", false],
        "words": ["a cat", false],
    };
    cases(test, ASKED, async (text, isAsked) => {
        const page = open();
        page.find(PROMPT).value = text;
        await page.clock.advance(1000);
        const expected = isAsked ? [{ kind: "prompt_lines", text, caret: null, id: 1 }] : [];
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

    test("is asked about again when another model was loaded", async () => {
        const server = new Server({ prompts: "one" });
        const page = open(HTML, server.globals());
        page.find(PROMPT).value = "<'cat'>";
        await page.clock.advance(1000);
        await page.answer({ slots: { lines: "1 vector" }, state: { model: "one" } });
        await page.clock.advance(5000);
        for (const [prompts, asked] of [["one", 1], ["", 1], ["two", 2]]) {
            server.state = { prompts };
            await page.clock.advance(3000);
            assert.equal(page.asked.length, asked, prompts);
        }
        await page.answer({ slots: { lines: "2 vectors" }, state: { model: "two" } });
        await page.clock.advance(5000);
        assert.equal(page.asked.length, 2);
        page.find("#txt2img_prompt_row").parentNode.hidden = true;
        const before = server.asked.length;
        await page.clock.advance(5000);
        assert.equal(server.asked.length, before);
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

const CHIPS = `
    <button data-embmerge-line="1" aria-expanded="false">1</button><button data-embmerge-line="2" aria-expanded="true">2</button>
    <div data-embmerge-detail="1" hidden>one</div>
    <div data-embmerge-detail="2">two <button data-embmerge-repair="a <'cat'>">write</button></div>`;

async function shown(text, html, page = open()) {
    page.find(PROMPT).value = text;
    await page.clock.advance(1000);
    await page.answer({ slots: { lines: html } });
    return page;
}

describe("while somebody writes", () => {
    test("the place of the caret is told, and where it goes while an expression is open", async () => {
        const page = open();
        const box = page.find(PROMPT);
        box.focus();
        box.value = "<'ca' on a mat";
        box.setSelectionRange(4, 4);
        await page.clock.advance(1000);
        assert.deepEqual(page.lastAsked, { kind: "prompt_lines", text: "<'ca' on a mat", caret: 4 });
        await page.answer({ slots: { lines: '<b class="embmerge-open">still open</b>' } });
        await page.clock.advance(3000);
        assert.equal(page.asked.length, 1);
        box.setSelectionRange(9, 9);
        await page.clock.advance(1000);
        assert.equal(page.lastAsked.caret, 9);
    });

    test("what is open is a mistake once the box is left", async () => {
        const page = open();
        page.find(PROMPT).focus();
        await shown("<'ca", '<b class="embmerge-open">still open</b>', page);
        page.find(PROMPT).blur();
        await page.clock.advance(1000);
        assert.equal(page.lastAsked.caret, null);
    });

    test("the lines of the old text are dimmed until the new answer", async () => {
        const page = await shown("<'cat'>", "1 vector");
        const lines = page.find(LINES);
        assert.equal(lines.classList.contains("embmerge-stale"), false);
        page.find(PROMPT).value = "<'cat' + 'dog'>";
        await page.clock.advance(200);
        assert.equal(lines.classList.contains("embmerge-stale"), true);
        assert.equal(lines.getAttribute("aria-busy"), "true");
        await page.clock.advance(1000);
        await page.answer({ slots: { lines: "1 vector" } });
        assert.equal(lines.classList.contains("embmerge-stale"), false);
        assert.equal(lines.getAttribute("aria-busy"), "false");
    });

    test("the answer about an older text is not shown", async () => {
        const page = open();
        page.find(PROMPT).value = "<'cat'>";
        await page.clock.advance(1000);
        page.find(PROMPT).value = "<'cat', 'dog'>";
        await page.clock.advance(200);
        await page.answer({ slots: { lines: "1 vector" } });
        assert.equal(page.find(LINES), null);
    });
});

describe("chips", () => {
    test("say what they open, and open one at a time", async () => {
        const page = await shown("<'a'> <'b'>", CHIPS);
        const chips = [...page.document.querySelectorAll("[data-embmerge-line]")];
        const details = [...page.document.querySelectorAll("[data-embmerge-detail]")];
        assert.deepEqual(chips.map((chip) => chip.getAttribute("aria-controls")), details.map((detail) => detail.id));
        await page.click('[data-embmerge-line="1"]');
        assert.deepEqual(chips.map((chip) => chip.getAttribute("aria-expanded")), ["true", "false"]);
        assert.deepEqual(details.map((detail) => detail.hidden), [false, true]);
        await page.click('[data-embmerge-line="1"]');
        assert.deepEqual(details.map((detail) => detail.hidden), [true, true]);
    });

    test("stay as somebody has left them, with the focus, when an answer comes", async () => {
        const page = await shown("<'a'> <'b'>", CHIPS);
        await page.click('[data-embmerge-line="1"]');
        page.find('[data-embmerge-line="1"]').focus();
        await shown("<'a'> <'c'>", `${CHIPS} `, page);
        assert.equal(page.find('[data-embmerge-detail="1"]').hidden, false);
        assert.equal(page.find('[data-embmerge-detail="2"]').hidden, true);
        assert.equal(page.document.activeElement, page.find('[data-embmerge-line="1"]'));
    });

    test("mend the prompt with one click, and only the one that they speak of", async () => {
        const page = await shown("a <cat>' <'b", CHIPS);
        await page.click("[data-embmerge-repair]", 500);
        assert.equal(page.find(PROMPT).value, "a <'cat'>");
        await shown("<'a'> <'b'>", CHIPS, page);
        page.find(PROMPT).value = "another";
        page.find("[data-embmerge-repair]").click();
        assert.equal(page.find(PROMPT).value, "another");
    });
});

describe("what else the lines depend on", () => {
    test("a setting switches them off, and on again", async () => {
        const opts = { embmerge_prompt_lines: true };
        const page = await shown("<'cat'>", "1 vector", open(HTML, { opts }));
        opts.embmerge_prompt_lines = false;
        await page.clock.advance(1000);
        assert.equal(page.html(LINES), "");
        assert.equal(page.asked.length, 1);
        opts.embmerge_prompt_lines = true;
        await page.clock.advance(1000);
        assert.equal(page.asked.length, 2);
    });

    test("another checkpoint is asked again", async () => {
        const opts = { sd_checkpoint_hash: "1", samples_save: true };
        const page = await shown("<'cat'>", "1 vector", open(HTML, { opts }));
        opts.samples_save = false;
        await page.clock.advance(1000);
        assert.equal(page.asked.length, 1);
        opts.sd_checkpoint_hash = "2";
        await page.clock.advance(1000);
        assert.equal(page.asked.length, 2);
    });

    test("the boxes of the high-resolution pass have lines, too", async () => {
        const page = open(`${HTML}<div id="hires_prompt"><label><textarea></textarea></label></div>`);
        page.find("#hires_prompt textarea").value = "<'cat'>";
        await page.clock.advance(1000);
        await page.answer({ slots: { lines: "1 vector" } });
        assert.equal(page.find("#hires_prompt + #embmerge_lines_hires_prompt").innerHTML, "1 vector");
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

    const CHANGED = {
        "counts what was pasted": [false, 1],
        "is told of what is typed by the host itself": [true, 0],
    };
    cases(test, CHANGED, async (isTyped, times) => {
        const page = open();
        let presses = 0;
        page.find("#txt2img_token_button").addEventListener("click", () => (presses += 1));
        page.find(PROMPT).value = "a photo of a cat";
        if (isTyped) {
            page.fire(PROMPT, "input");
        }
        await page.clock.advance(3000);
        assert.equal(presses, times);
    });
});
