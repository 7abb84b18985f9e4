// The page's way to Python: one question at a time, the newest of each purpose, answered by lib_embmerge's
// frontends/page/answers.py. A hidden gradio button carries it, so that it obeys the login that the page obeys.
(() => {
    const WAIT_MS = 120000;
    const TAKE_MS = 1000;
    const UPLOAD_LOOK_MS = 200;
    const UPLOAD_MS = 120000;
    const PROBE_MS = 4000;
    const FAILED = {
        slots: {
            error:
                '<p class="embmerge-error" role="alert">This could not be answered: embmerge has failed. ' +
                "The program's console says at what.</p>",
        },
        state: { failed: true },
        then: null,
    };
    const embmerge = (window.embmerge = window.embmerge || {});
    const waiting = new Map();
    const tardy = new Set(); // numbers of questions that were given up
    let current = null;
    let number = 0;
    let given = null;
    let heldSince = null;
    let later = null;

    embmerge.root = () => (typeof gradioApp === "function" ? gradioApp() : document);

    // Ask; a question of the same purpose that still waits is dropped, an older one's answer is not delivered.
    embmerge.ask = (purpose, kind, fields, deliver) => {
        number += 1;
        waiting.delete(purpose);
        waiting.set(purpose, { id: number, purpose, deliver, question: { ...fields, kind, id: number } });
        send();
    };

    // Forget questions that wait, of a text that is no longer the one in the box.
    embmerge.forget = (...purposes) => purposes.forEach((purpose) => waiting.delete(purpose));

    embmerge.takeQuestion = () => {
        const question = given;
        given = null;
        return JSON.stringify(question || { kind: "", id: 0 });
    };

    // One question is on its way at a time: what comes back belongs to it. Where Python has failed, gradio brings
    // nothing, or the answer before; 0 answers a press that brought no question.
    embmerge.giveAnswer = (text) => {
        const answer = read(text);
        if (current === null || answer.id === 0 || tardy.delete(answer.id)) {
            return;
        }
        const asked = finish();
        if (!waiting.has(asked.purpose)) {
            asked.deliver(answer.id === asked.id ? answer : FAILED);
        }
        send();
    };

    function read(text) {
        try {
            return JSON.parse(text) || {};
        } catch (error) {
            return {};
        }
    }

    function send() {
        if (current !== null || waiting.size === 0) {
            return;
        }
        if (mustWait()) {
            clearTimeout(later);
            later = setTimeout(send, UPLOAD_LOOK_MS);
            return;
        }
        const button = embmerge.root().querySelector("button#embmerge_ask, #embmerge_ask button");
        if (button === null) {
            waiting.clear();
            return;
        }
        const [purpose, next] = waiting.entries().next().value;
        waiting.delete(purpose);
        current = next;
        given = next.question;
        current.timer = setTimeout(() => {
            tardy.add(finish().id);
            send();
        }, WAIT_MS);
        current.probe = setTimeout(probe, PROBE_MS);
        press(button);
    }

    // --- A server that is gone -----------------------------------------------------------------------------------

    let isGone = false;
    let isProbing = false;

    // gradio tells nobody that its server does not answer. Whoever waits for something asks whether anybody is there.
    async function probe() {
        if (isProbing || (current === null && !isGone)) {
            return;
        }
        isProbing = true;
        const answers = await fetch(location.pathname, { method: "HEAD", cache: "no-store" }).then(
            () => true,
            () => false,
        );
        isProbing = false;
        tell(!answers);
        if (!answers || current !== null) {
            setTimeout(probe, PROBE_MS);
        }
    }

    function tell(gone) {
        if (gone !== isGone) {
            isGone = gone;
            document.dispatchEvent(new CustomEvent("embmerge:gone", { detail: { isGone: gone } }));
        }
    }

    // Ask soon whether anybody answers; for what gradio itself sends.
    embmerge.probeSoon = () => setTimeout(probe, PROBE_MS);

    // gradio 3 forgets an upload during which any answer comes in, so questions wait for it, but not for ever. A file
    // that is there can be downloaded.
    function mustWait() {
        const files = [...embmerge.root().querySelectorAll("#embmerge_page .file-preview .download")];
        if (files.every((file) => file.querySelector("a") !== null)) {
            heldSince = null;
            return false;
        }
        heldSince ??= Date.now();
        return Date.now() - heldSince < UPLOAD_MS;
    }

    // gradio may not listen to its button yet, while the page is being made.
    function press(button) {
        button.click();
        current.again = setTimeout(() => {
            if (given !== null && button.isConnected) {
                press(button);
            }
        }, TAKE_MS);
    }

    function finish() {
        const asked = current;
        clearTimeout(asked.timer);
        clearTimeout(asked.again);
        clearTimeout(asked.probe);
        current = null;
        return asked;
    }

    // --- Past the button -----------------------------------------------------------------------------------------

    // Ask by the address that gradio's own page uses: nothing is drawn, no other question waits, and the login holds.
    // Gives null where that is not to be had, undefined while nobody answers.
    embmerge.glance = async (kind) => {
        const event = eventOf("embmerge_ask");
        if (event === undefined) {
            return null;
        }
        const address = new URL(`.${window.gradio_config.api_prefix ?? ""}/run/predict`, location.href);
        const body = JSON.stringify({ data: [JSON.stringify({ kind, id: 0 })], fn_index: event });
        const headers = { "Content-Type": "application/json" };
        const response = await fetch(address, { method: "POST", headers, body }).catch(() => undefined);
        return response === undefined ? undefined : readGlance(response);
    };

    async function readGlance(response) {
        try {
            return response.ok ? JSON.parse((await response.json()).data[0]) : null;
        } catch (error) {
            return null; // it answers in another way
        }
    }

    // The number of the event that a click on a button sets off. gradio 3 writes a target as an id, later ones with
    // what happens to it.
    function eventOf(elemId) {
        const { components = [], dependencies = [] } = window.gradio_config ?? {};
        const button = components.find(({ props }) => props?.elem_id === elemId);
        const place = dependencies.findIndex(
            ({ targets, backend_fn: isAnswered }) => isAnswered && targets.some((target) => [target].flat()[0] === button?.id),
        );
        return place < 0 ? undefined : (dependencies[place].id ?? place);
    }

    // Call a function when a box has been left alone for `ms`, unless it is cancelled before.
    embmerge.debounce = (action, ms) => {
        let timer = null;
        const soon = (...given_) => {
            clearTimeout(timer);
            timer = setTimeout(() => action(...given_), ms);
        };
        soon.cancel = () => clearTimeout(timer);
        return soon;
    };

    // Put a text into one of gradio's boxes so that gradio notices.
    embmerge.setText = (box, text) => {
        box.value = text;
        box.dispatchEvent(new Event("input", { bubbles: true }));
    };

    // The text box inside the component with that elem_id; gradio 3 puts the id on two nodes. Asked one by one, a browser
    // goes by the id; for a list of them it walks the whole page, and a WebUI's may have 50,000 nodes.
    embmerge.box = (id) => {
        const root = embmerge.root();
        const places = [`#${id} textarea`, `#${id} input[type=text]`, `textarea#${id}`];
        return places.map((place) => root.querySelector(place)).find((box) => box !== null) ?? null;
    };

    // What stands in it; nothing where there is no such box yet.
    embmerge.written = (id) => embmerge.box(id)?.value ?? "";

    // What is chosen of the radio buttons in the component with that elem_id.
    embmerge.chosen = (id) => embmerge.root().querySelector(`#${id} input[type=radio]:checked`)?.value ?? "";

    // On a narrow screen the line of a mistake is longer than its place: it is scrolled to its caret.
    embmerge.showCarets = (place) => {
        for (const source of place.querySelectorAll(".embmerge-source")) {
            const lines = source.textContent.split("\n");
            const caret = lines.find((line) => /^ *\^+$/.test(line)) ?? "";
            const letter = source.scrollWidth / Math.max(...lines.map((line) => line.length));
            if (caret.length * letter > source.clientWidth) {
                const middle = (caret.indexOf("^") + caret.length) / 2;
                source.scrollLeft = middle * letter - source.clientWidth / 2;
            }
        }
    };

    // Show a component that style.css hides without this class.
    embmerge.reveal = (id, isShown) => {
        embmerge
            .root()
            .querySelectorAll(`#${id}`)
            .forEach((node) => node.classList.toggle("embmerge-shown", Boolean(isShown)));
    };
})();
