import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { ASK_BUTTON, Page } from "./page.js";

const HTML = `
    ${ASK_BUTTON}
    <div id="embmerge_result"></div>
    <button id="txt2img_textual_inversion_extra_refresh_internal"></button>
    <button id="img2img_textual_inversion_extra_refresh_internal"></button>
    <button id="txt2img_lora_extra_refresh_internal"></button>
    <button id="refresh_tac_refreshTempFiles"></button>`;

// A page that notes which buttons are pressed.
function open(globals = {}, html = HTML) {
    const page = new Page(html, ["channel", "lists", "tab"], globals);
    page.pressed = [];
    page.document.addEventListener("click", ({ target }) => page.pressed.push(target.id));
    return page;
}

const CARDS = ["txt2img_textual_inversion_extra_refresh_internal", "img2img_textual_inversion_extra_refresh_internal"];

async function save(page, saved) {
    page.find("#embmerge_result").innerHTML = saved;
    page.embmerge.saved();
    await page.clock.advance(1000);
    return page.pressed.filter((id) => id.includes("refresh"));
}

describe("what others list", () => {
    test("is read again after a save", async () => {
        assert.deepEqual(await save(open(), '<p class="embmerge-saved"></p>'), [...CARDS, "refresh_tac_refreshTempFiles"]);
    });

    test("is left alone where nothing was saved", async () => {
        assert.deepEqual(await save(open(), '<p class="embmerge-error"></p>'), []);
    });

    test("is read once for several saves", async () => {
        const page = open();
        page.embmerge.worked();
        page.embmerge.worked();
        assert.deepEqual(await save(page, '<p class="embmerge-saved"></p>'), [...CARDS, "refresh_tac_refreshTempFiles"]);
    });

    test("is read by tag completion's own function where it has one", async () => {
        let times = 0;
        const page = open({ TAC_CFG: {}, refreshEmbeddings: () => (times += 1) });
        assert.deepEqual(await save(page, '<p class="embmerge-saved"></p>'), CARDS);
        assert.equal(times, 1);
    });

    const PLACES = '<div id="place" hidden><div id="txt2img_textual_inversion_cards"></div></div>';

    test("of cards is read once somebody sees them, and once", async () => {
        const page = open({}, HTML + PLACES);
        assert.deepEqual(await save(page, '<p class="embmerge-saved"></p>'), [CARDS[1], "refresh_tac_refreshTempFiles"]);
        await page.clock.advance(60_000);
        assert.ok(!page.pressed.includes(CARDS[0]));
        page.find("#place").hidden = false;
        page.find("#place").click();
        await page.clock.advance(150);
        assert.equal(page.pressed.at(-1), CARDS[0]);
        await page.clock.advance(60_000);
        assert.equal(page.pressed.filter((id) => id === CARDS[0]).length, 1);
    });

    test("may not be there at all", async () => {
        const page = open({}, `${ASK_BUTTON}<div id="embmerge_result"></div>`);
        assert.deepEqual(await save(page, '<p class="embmerge-saved"></p>'), []);
    });
});
