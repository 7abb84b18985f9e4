// A page in memory with the scripts of javascript/ in it, a clock that a test moves, and Python's side of the channel.
import { readFileSync } from "node:fs";

import { JSDOM } from "jsdom";

const SCRIPTS = new URL("../../javascript/", import.meta.url);

const LOOKS = { pretendToBeVisual: true, url: "http://localhost/" };

export const ASK_BUTTON = '<button id="embmerge_ask"></button>';

// The page's timers and its time, which stand still until `advance`.
class Clock {
    now = 1_000_000;
    timers = new Map();
    last = 0;

    constructor(window) {
        window.setTimeout = (action, ms = 0) => this.add(action, ms, null);
        window.setInterval = (action, ms) => this.add(action, ms, ms);
        window.clearTimeout = window.clearInterval = (id) => this.timers.delete(id);
        window.requestAnimationFrame = (action) => this.add(action, 16, null);
        window.Date.now = () => this.now;
    }

    add(action, ms, every) {
        this.last += 1;
        this.timers.set(this.last, { action, at: this.now + ms, every, id: this.last });
        return this.last;
    }

    // Let time pass, and with it whatever was to be done; what the page notices of its changes comes in between.
    async advance(ms) {
        const end = this.now + ms;
        for (;;) {
            await new Promise((resolve) => setImmediate(resolve));
            const due = [...this.timers.values()].filter((timer) => timer.at <= end);
            if (due.length === 0) {
                break;
            }
            const next = due.reduce((one, other) => (other.at < one.at ? other : one));
            this.now = Math.max(this.now, next.at);
            if (next.every === null) {
                this.timers.delete(next.id);
            } else {
                next.at += next.every;
            }
            next.action();
        }
        this.now = end;
    }
}

// What answers past the button: gradio's own address, for the event of the button.
export class Server {
    asked = []; // addresses, numbers of events, questions
    isGone = false;

    constructor(state) {
        this.state = state;
    }

    globals(config = {}) {
        const components = [{ id: 3, props: {} }, { id: 4, props: { elem_id: "embmerge_ask" } }];
        const dependencies = [
            { backend_fn: false, targets: [4] },
            { backend_fn: true, targets: [4] },
        ];
        return { fetch: this.fetch, gradio_config: { components, dependencies, ...config } };
    }

    fetch = (address, { body } = {}) => {
        if (body === undefined) {
            return Promise.resolve({}); // whether anybody answers
        }
        if (this.isGone) {
            return Promise.reject(new TypeError("Failed to fetch"));
        }
        const { data, fn_index: number } = JSON.parse(body);
        this.asked.push([String(address), number, JSON.parse(data[0])]);
        const answer = { id: 0, slots: {}, state: this.state, then: null };
        return Promise.resolve({ ok: true, json: () => Promise.resolve({ data: [JSON.stringify(answer)] }) });
    };
}

export class Page {
    asked = []; // the questions that Python was given, in order

    constructor(html, scripts, globals = {}) {
        this.window = new JSDOM(`<body>${html}</body>`, { runScripts: "outside-only", ...LOOKS }).window;
        this.document = this.window.document;
        this.clock = new Clock(this.window);
        this.layOut();
        this.window.fetch = () => Promise.resolve({}); // somebody answers
        Object.assign(this.window, globals);
        this.document.addEventListener("click", ({ target }) => {
            if (target.id === "embmerge_ask" && this.listens) {
                this.asked.push(JSON.parse(this.embmerge.takeQuestion()));
            }
        });
        this.listens = true;
        scripts.forEach((name) => this.run(name));
    }

    run(name) {
        this.window.eval(readFileSync(new URL(`${name}.js`, SCRIPTS), "utf8"));
    }

    // Run the script of ComfyUI's page; what it imports there is handed in.
    runNodes(app, api) {
        const script = readFileSync(new URL("../../web/embmerge.js", import.meta.url), "utf8");
        this.window.eval(`((app, api) => {${script.replace(/^import .*$/gm, "")}})`)(app, api);
    }

    get embmerge() {
        return this.window.embmerge;
    }

    // There is no layout in memory: what is hidden takes no place, all else does.
    layOut() {
        const { HTMLElement, Element } = this.window;
        const isHidden = (node) => node.closest("[hidden]") !== null;
        Element.prototype.getClientRects = function () {
            return isHidden(this) ? [] : [{}];
        };
        Object.defineProperty(HTMLElement.prototype, "offsetParent", {
            get() {
                return isHidden(this) ? null : this.parentNode;
            },
        });
    }

    find(selector) {
        return this.document.querySelector(selector);
    }

    html(selector) {
        return this.find(selector).innerHTML;
    }

    // What Python was asked last, without its number.
    get lastAsked() {
        const question = { ...this.asked.at(-1) };
        delete question.id;
        return question;
    }

    // Answer the question that Python was given last.
    async answer({ slots = {}, state = {}, ...more } = {}) {
        this.embmerge.giveAnswer(JSON.stringify({ id: this.asked.at(-1).id, slots, state, ...more }));
        await this.clock.advance(0);
    }

    // Write into a box as somebody does who types.
    async type(selector, text, ms = 300) {
        this.find(selector).value = text;
        this.fire(selector, "input");
        await this.clock.advance(ms);
    }

    fire(selector, kind, more = {}) {
        const event = new this.window.Event(kind, { bubbles: true, cancelable: true });
        Object.assign(event, more);
        return this.find(selector).dispatchEvent(event);
    }

    async click(selector, ms = 0) {
        this.find(selector).click();
        await this.clock.advance(ms);
    }
}

// Run a table of cases, each a test of its own.
export function cases(test, table, run) {
    for (const [name, values] of Object.entries(table)) {
        test(name, () => run(...values));
    }
}
