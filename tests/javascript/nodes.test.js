// ComfyUI's page: which text boxes of a graph have a line, and what it is asked for.
import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { cases, Page } from "./page.js";

const MUTED = 2;
const BYPASSED = 4;
const INSIDE = -10; // stands for a node where a subgraph begins, as -20 does where it ends

// A graph, or a subgraph, of the page: links are numbered, nodes know them by their slots.
class Graph {
    _nodes = [];
    links = new Map();
    inputs = [];
    outputs = [];

    constructor(comfy) {
        this.comfy = comfy;
    }

    getLink(id) {
        return this.links.get(id);
    }

    getNodeById(id) {
        return this._nodes.find((node) => node.id === id);
    }

    link(origin_id, origin_slot, target_id, target_slot) {
        const id = this.links.size + 1;
        this.links.set(id, { origin_id, origin_slot, target_id, target_slot });
        return id;
    }

    // `takes` is the types of a node's inputs, a name with ":" before it that of a text box.
    add(comfyClass, takes, gives = [], more = {}) {
        const node = {
            id: this._nodes.length + 1, comfyClass, graph: this, mode: 0, size: [200, 100], widgets: [], type: comfyClass,
            inputs: takes.map((type) => (type[0] === ":" ? { type: "STRING", widget: { name: type.slice(1) } } : { type })),
            outputs: gives.map((type) => ({ type, links: [] })),
            computeSize: () => [200, 100],
            setSize() {},
            addDOMWidget: (name, type, element) => node.widgets[node.widgets.push({ name, type, element }) - 1],
            ...more,
        };
        takes.filter((type) => type[0] === ":").forEach((type) => node.widgets.push(this.comfy.box(type.slice(1))));
        this._nodes.push(node);
        this.comfy.extension.nodeCreated(node);
        return node;
    }

    connect(from, output, to, input) {
        const id = this.link(from.id, output, to.id, input);
        from.outputs[output].links.push(id);
        to.inputs[input].link = id;
    }

    // Let the subgraph hand on what stands in one of its first slots to a node's input, and give what a node gives.
    enter(slot, node, input) {
        const id = this.link(INSIDE, slot, node.id, input);
        (this.inputs[slot] ??= { linkIds: [] }).linkIds.push(id);
        node.inputs[input].link = id;
    }

    leave(slot, node, output) {
        this.outputs[slot] = { linkIds: [this.link(node.id, output, -20, slot)] };
    }
}

class Comfy {
    asked = [];
    settings = {};

    constructor() {
        this.page = new Page("", []);
        this.events = {};
        const app = {
            registerExtension: (extension) => { this.extension = extension; },
            extensionManager: { setting: { get: (id) => this.settings[id] } },
        };
        const api = {
            addEventListener: (kind, handle) => { this.events[kind] = handle; },
            fetchApi: (address, { body }) => {
                this.asked.push(JSON.parse(body));
                return Promise.resolve({ json: () => ({ text: `line of ${JSON.parse(body).text}`, is_mistake: false }) });
            },
        };
        this.page.runNodes(app, api);
        this.graph = app.rootGraph = app.graph = new Graph(this);
        this.extension.setup();
        this.loader = this.graph.add("CheckpointLoaderSimple", [], ["MODEL", "CLIP", "VAE"]);
    }

    box(name) {
        return { name, element: this.page.document.createElement("textarea"), value: "a <'cat'>" };
    }

    clip(graph, kind = "EmbmergeExpressionsForCLIP", more = {}) {
        return graph.add(kind, ["CLIP"], ["CLIP"], more);
    }

    encode(graph = this.graph, kind = "CLIPTextEncode") {
        return graph.add(kind, ["CLIP", ":text"], ["CONDITIONING"]);
    }

    subgraph(graph, takes, gives, more = {}) {
        const inner = new Graph(this);
        const node = graph.add("a subgraph", takes, gives, { subgraph: inner, ...more });
        return { inner, node };
    }

    // Return the texts whose lines are on a page, once everybody had time.
    async lines() {
        this.events.graphChanged();
        await this.page.clock.advance(1000);
        return this.every(this.graph).flatMap((node) =>
            node.widgets.filter(({ type, element }) => type === "embmerge" && element.dataset.text).map(() => node.comfyClass));
    }

    every(graph) {
        return graph._nodes.flatMap((node) => [node, ...(node.subgraph ? this.every(node.subgraph) : [])]);
    }
}

// Put nodes of CLIP in a row behind the loader, and a text encode behind them.
function row(comfy, ...kinds) {
    let [last, output] = [comfy.loader, 1];
    for (const [kind, more] of kinds) {
        const node = comfy.clip(comfy.graph, kind, more);
        comfy.graph.connect(last, output, node, 0);
        [last, output] = [node, 0];
    }
    comfy.graph.connect(last, output, comfy.encode(), 0);
}

const WRAP = "EmbmergeExpressionsForCLIP";
const SKIP = "CLIPSetLastLayer";

describe("a box of another node has a line", () => {
    const ROWS = {
        "not behind a loader alone": [[], false],
        "behind Expressions for CLIP": [[[WRAP]], true],
        "behind clip skip behind it": [[[WRAP], [SKIP], ["LoraLoader"]], true],
        "behind it behind clip skip": [[[SKIP], [WRAP]], true],
        "not where it is bypassed": [[[WRAP, { mode: BYPASSED }]], false],
        "not where it is muted": [[[WRAP, { mode: MUTED }]], false],
        "where another between is bypassed": [[[WRAP], [SKIP, { mode: BYPASSED }]], true],
        "where one of two is bypassed": [[[WRAP], [WRAP, { mode: BYPASSED }]], true],
        "behind a reroute": [[[WRAP], ["Reroute", { inputs: [{ type: "*" }] }]], true],
    };
    cases(test, ROWS, async (kinds, wanted) => {
        const comfy = new Comfy();
        row(comfy, ...kinds);
        assert.deepEqual(await comfy.lines(), wanted ? ["CLIPTextEncode"] : []);
    });

    test("with the switch on, and not when it is off again", async () => {
        const comfy = new Comfy();
        row(comfy);
        comfy.settings["embmerge.every_clip"] = true;
        assert.deepEqual(await comfy.lines(), ["CLIPTextEncode"]);
        comfy.settings["embmerge.every_clip"] = false;
        assert.deepEqual(await comfy.lines(), []);
    });

    test("when a link is taken away it goes", async () => {
        const comfy = new Comfy();
        row(comfy, [WRAP]);
        await comfy.lines();
        comfy.graph._nodes.at(-1).inputs[0].link = null;
        assert.deepEqual(await comfy.lines(), []);
    });

    test("in a circle of links nothing is found", async () => {
        const comfy = new Comfy();
        const [a, b] = [comfy.clip(comfy.graph, SKIP), comfy.clip(comfy.graph, SKIP)];
        comfy.graph.connect(a, 0, b, 0);
        comfy.graph.connect(b, 0, a, 0);
        comfy.graph.connect(b, 0, comfy.encode(), 0);
        assert.deepEqual(await comfy.lines(), []);
    });
});

// A subgraph of CLIP → CLIP with one node in it, so deep inside others.
function nested(comfy, kind, depth, more = {}) {
    let graph = comfy.graph;
    let outermost = null;
    for (let level = 0; level < depth; level += 1) {
        const { inner, node } = comfy.subgraph(graph, ["CLIP"], ["CLIP"], level === 0 ? more : {});
        if (outermost) {
            graph.enter(0, node, 0);
            graph.leave(0, node, 0);
        }
        outermost ??= node;
        graph = inner;
    }
    const node = comfy.clip(graph, kind);
    graph.enter(0, node, 0);
    graph.leave(0, node, 0);
    return outermost;
}

describe("in subgraphs", () => {
    const INSIDE_OF = {
        "Expressions for CLIP in one": [WRAP, 1, {}, true],
        "in three, one in another": [WRAP, 3, {}, true],
        "in one that is bypassed": [WRAP, 1, { mode: BYPASSED }, false],
        "clip skip in one": [SKIP, 2, {}, false],
    };
    cases(test, INSIDE_OF, async (kind, depth, more, wanted) => {
        const comfy = new Comfy();
        const outer = nested(comfy, kind, depth, more);
        comfy.graph.connect(comfy.loader, 1, outer, 0);
        comfy.graph.connect(outer, 0, comfy.encode(), 0);
        assert.deepEqual(await comfy.lines(), wanted ? ["CLIPTextEncode"] : []);
    });

    test("Expressions for CLIP before them, through one that only hands on", async () => {
        const comfy = new Comfy();
        const wrap = comfy.clip(comfy.graph);
        const { inner, node } = comfy.subgraph(comfy.graph, ["CLIP"], ["CLIP"]);
        inner.inputs[0] = { linkIds: [inner.link(INSIDE, 0, -20, 0)] };
        inner.outputs[0] = { linkIds: [1] };
        comfy.graph.connect(wrap, 0, node, 0);
        comfy.graph.connect(node, 0, comfy.encode(), 0);
        assert.deepEqual(await comfy.lines(), ["CLIPTextEncode"]);
    });

    test("a text encode inside, Expressions for CLIP outside", async () => {
        const comfy = new Comfy();
        const { inner, node } = comfy.subgraph(comfy.graph, ["CLIP"], ["CONDITIONING"]);
        inner.enter(0, comfy.encode(inner), 0);
        assert.deepEqual(await comfy.lines(), []);
        comfy.graph.connect(comfy.clip(comfy.graph), 0, node, 0);
        assert.deepEqual(await comfy.lines(), ["CLIPTextEncode"]);
    });

    test("a box that is shown on its node has the line there, each instance its own", async () => {
        const comfy = new Comfy();
        const inner = new Graph(comfy);
        const box = () => comfy.graph.add("a subgraph", ["CLIP", ":text"], ["CONDITIONING"], { subgraph: inner });
        const [behind, beside] = [box(), box()];
        const encode = comfy.encode(inner);
        inner.enter(0, encode, 0);
        inner.enter(1, encode, 1);
        comfy.graph.connect(comfy.clip(comfy.graph), 0, behind, 0);
        comfy.graph.connect(comfy.loader, 1, beside, 0);
        await comfy.lines();
        assert.equal(behind.widgets.length, 2);
        assert.equal(beside.widgets.length, 1);
        assert.equal(encode.widgets.length, 1);
    });

    test("what stopped a graph stands on the node, and on those around it", async () => {
        const comfy = new Comfy();
        const { inner, node } = comfy.subgraph(comfy.graph, ["CLIP", ":text"], ["CONDITIONING"]);
        const encode = comfy.encode(inner, "EmbmergeTextEncode");
        const node_id = `${node.id}:${encode.id}`;
        const detail = { node_id, exception_type: "x.lib_embmerge.errors.E", exception_message: "no\n" };
        comfy.events.execution_error({ detail: { ...detail, exception_type: "E" } });
        assert.equal(encode.widgets.length, 1);
        comfy.events.execution_error({ detail });
        assert.deepEqual([node, encode].map((one) => one.widgets.at(-1).element.dataset.text), ["no", "no"]);
    });
});

describe("a text that comes by a link", () => {
    const primitive = (graph) => graph.add("PrimitiveStringMultiline", [":value"], ["STRING"]);
    const OF = {
        "of our text encode": ["EmbmergeTextEncode", "text", "prompt"],
        "of another": ["CLIPTextEncode", "text", null],
        "of an expression": ["EmbmergeLookAtExpression", "expression", "expression"],
        "of a node's text that is no prompt": ["SaveText", "file", null],
    };
    cases(test, OF, async (kind, name, asked) => {
        const comfy = new Comfy();
        const source = primitive(comfy.graph);
        const reader = comfy.graph.add(kind, ["CLIP", `:${name}`], ["CONDITIONING"]);
        comfy.graph.connect(source, 0, reader, 1);
        comfy.graph.connect(comfy.loader, 1, reader, 0);
        assert.deepEqual(await comfy.lines(), asked ? ["PrimitiveStringMultiline"] : []);
        assert.deepEqual([...new Set(comfy.asked.map((one) => one.kind))], asked ? [asked] : []);
    });

    test("a box that comes after its node has a line, too, and none when it is gone", async () => {
        const comfy = new Comfy();
        const source = comfy.graph.add("PrimitiveNode", [], ["STRING"]);
        const reader = comfy.encode(comfy.graph, "EmbmergeTextEncode");
        comfy.graph.connect(source, 0, reader, 1);
        source.widgets.push(comfy.box("text"));
        assert.deepEqual(await comfy.lines(), ["PrimitiveNode"]);
        source.widgets.length = 0;
        assert.deepEqual(await comfy.lines(), []);
    });

    test("a node that makes something else of a text has none", async () => {
        const comfy = new Comfy();
        const joined = comfy.graph.add("StringConcatenate", [":string_a", ":string_b"], ["STRING"]);
        comfy.graph.connect(joined, 0, comfy.encode(comfy.graph, "EmbmergeTextEncode"), 1);
        assert.deepEqual(await comfy.lines(), []);
    });
});

describe("what is asked", () => {
    const TEXTS = {
        "an expression": ["a <'cat'>", false, "a <'cat'>"],
        "no expression": ["a cat", false, null],
        "nothing": ["", false, null],
        "comments that the page cuts, in their places": ["a /*x*/<'cat'>", true, "a      <'cat'>"],
        "braces that the page takes": ["a {'cat'}", true, null],
        "braces that it leaves": ["a {'cat'}", false, "a {'cat'}"],
    };
    cases(test, TEXTS, async (text, dynamicPrompts, asked) => {
        const comfy = new Comfy();
        const encode = comfy.encode(comfy.graph, "EmbmergeTextEncode");
        Object.assign(encode.widgets[0], { value: text, dynamicPrompts });
        await comfy.lines();
        assert.equal(comfy.asked.at(-1)?.text ?? null, asked);
    });
});
