import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { ASK_BUTTON, Page } from "./page.js";

const HTML = `
    ${ASK_BUTTON}
    <div id="embmerge_expression"><textarea></textarea></div>
    <div id="embmerge_name"><textarea>mine</textarea></div>
    <div id="embmerge_folder"><textarea></textarea></div>
    <div id="embmerge_table">
        <div id="embmerge_table_by"><label><input type="radio" name="by" value="norm" checked></label>
        <label><input type="radio" name="by" value="name"></label></div>
        <div data-embmerge-slot="table"></div>
    </div>
    <div id="embmerge_pictures" hidden><div data-embmerge-slot="pictures"></div></div>
    <div id="embmerge_about"><span class="label-wrap"></span></div>
    <div id="embmerge_loads" hidden><div data-embmerge-slot="loads"></div></div>
    <div id="embmerge_long"><button>long</button></div>`;
const EXPRESSION = "#embmerge_expression textarea";

// A page on which an expression has been previewed, in which the fold of the table is open.
async function open(text = "'cat'") {
    const page = new Page(HTML, ["channel", "tab", "folds"]);
    page.find(EXPRESSION).value = text;
    await previewed(page, text);
    return page;
}

async function previewed(page, text, state = {}) {
    const detail = { kind: "preview", fields: { text }, state };
    page.document.dispatchEvent(new page.window.CustomEvent("embmerge:previewed", { detail }));
    await page.clock.advance(0);
}

const slot = (page, kind = "table") => page.find(`[data-embmerge-slot="${kind}"]`);
const kinds = (page) => page.asked.map(({ kind }) => kind);

describe("a fold", () => {
    test("is asked for while it is open, and says so meanwhile", async () => {
        const page = await open();
        assert.deepEqual(page.asked, [{ kind: "table", text: "'cat'", by: "norm", id: 1 }]);
        assert.equal(slot(page).textContent, "Computing…");
        assert.equal(slot(page).getAttribute("aria-busy"), "true");
        await page.answer({ slots: { table: "<table></table>" } });
        assert.equal(slot(page).innerHTML, "<table></table>");
        assert.equal(slot(page).getAttribute("aria-busy"), "false");
    });

    test("shows how far it is, and asks until it is answered", async () => {
        const page = await open();
        await page.answer({ slots: { table: "<p>30 %</p>" }, then: "table" });
        assert.equal(slot(page).innerHTML, "<p>30 %</p>");
        await page.answer({ slots: { table: "<table></table>" }, then: null });
        assert.equal(slot(page).innerHTML, "<table></table>");
        assert.deepEqual(kinds(page), ["table", "table"]);
    });

    test("that is opened later is asked for then", async () => {
        const page = await open();
        await page.answer({ slots: { table: "<table></table>" } });
        page.find("#embmerge_pictures").hidden = false;
        await page.click("#embmerge_pictures", 1500);
        assert.deepEqual(kinds(page), ["table", "pictures"]);
    });

    test("is empty where nothing is written", async () => {
        const page = await open();
        await page.answer({ slots: { table: "<table></table>" } });
        await previewed(page, " ", { empty: true });
        assert.equal(slot(page).innerHTML, "");
        assert.deepEqual(kinds(page), ["table"]);
    });

    test("keeps what it shows while a mistake is written, marked as old", async () => {
        const page = await open();
        await page.answer({ slots: { table: "<table></table>" } });
        await page.type(EXPRESSION, "'cat' +", 0);
        await previewed(page, "'cat' +", { broken: true });
        assert.equal(slot(page).innerHTML, "<table></table>");
        assert.ok(slot(page).classList.contains("embmerge-stale"));
        assert.deepEqual(kinds(page), ["table"]);
        await page.type(EXPRESSION, "'cat'", 0);
        assert.ok(!slot(page).classList.contains("embmerge-stale"));
    });

    test("keeps what it shows where Python failed, and shows the failure where it shows nothing", async () => {
        const page = await open();
        await page.answer({ slots: { error: '<p class="embmerge-error">It failed.</p>' }, state: { failed: true } });
        assert.equal(slot(page).textContent, "It failed.");
        await previewed(page, "'cat'");
        await page.answer({ slots: { table: "<table></table>" } });
        await previewed(page, "'cat'");
        await page.answer({ slots: { error: "It failed." }, state: { failed: true } });
        assert.equal(slot(page).innerHTML, "<table></table>");
    });

    test("is asked for anew when its order is chosen", async () => {
        const page = await open();
        await page.answer({ slots: { table: "<table></table>" } });
        page.find("#embmerge_table_by input[value=name]").checked = true;
        page.fire("#embmerge_table_by input[value=name]", "change");
        assert.deepEqual(page.lastAsked, { kind: "table", text: "'cat'", by: "name" });
    });

    test("stays unfolded inside when it is answered anew", async () => {
        const page = await open();
        const details = (isOpen) => `<details${isOpen ? ' open=""' : ""}></details>`;
        await page.answer({ slots: { table: details(false) + details(false) } });
        slot(page).querySelectorAll("details")[1].open = true;
        await previewed(page, "'cat' + 'dog'");
        await page.answer({ slots: { table: details(false) + details(false) } });
        assert.equal(slot(page).innerHTML, details(false) + details(true));
    });
});

describe("a button in a fold", () => {
    const button = (id, value) => `<button data-embmerge-target="${id}" data-embmerge-value="${value}" class="action"></button>`;

    test("writes into a box", async () => {
        const page = await open();
        await page.answer({ slots: { table: button("embmerge_name", "better") } });
        await page.click(".action");
        assert.equal(page.find("#embmerge_name textarea").value, "better");
    });

    test("chooses", async () => {
        const page = await open();
        await page.answer({ slots: { table: button("embmerge_table_by", "name") } });
        await page.click(".action");
        assert.equal(page.embmerge.chosen("embmerge_table_by"), "name");
    });

    test("presses", async () => {
        const page = await open();
        let presses = 0;
        page.find("#embmerge_long button").addEventListener("click", () => (presses += 1));
        await page.answer({ slots: { table: button("embmerge_long", "") } });
        await page.click(".action");
        assert.equal(presses, 1);
    });

    test("unfolds what its box may be hidden in, once", async () => {
        const page = await open();
        let presses = 0;
        page.find(".label-wrap").addEventListener("click", () => (presses += 1));
        await page.answer({ slots: { table: button("embmerge_nowhere", "x") } });
        await page.click(".action", 2000);
        assert.equal(presses, 1);
    });
});
