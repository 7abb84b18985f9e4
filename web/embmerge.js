// embmerge in ComfyUI's page: settings, the line under text boxes, and what nodes show.
import { app } from "../../scripts/app.js";
import { api } from "../../scripts/api.js";

const PAUSE = 300; // milliseconds without a key before the text is asked about
const EXPRESSIONS = { EmbmergeSaveEmbedding: ["expression"], EmbmergeLookAtExpression: ["expression"], EmbmergeCompare: ["a", "b"] };
const EDGE = 10; // pixels around a widget, of which older pages take no other number
const MUTED = 2; // modes of a node
const BYPASSED = 4;
const SUBGRAPH_INPUT = -10; // stands for a node where a subgraph begins
const SHOWN = "embmerge_text";
const EVERY_CLIP = "embmerge.every_clip";
const OPENS = /<['"+\-(.\w]|\{'/;
const IN_BRACES = /(^|[^\\])\{['"]/;
const COMMENT = /\/\*[^]*?\*\/|\/\/.*/g;
const BRACES_ARE_CHOICES = "In this box { } are ComfyUI's own choices: write < > around an expression.";

const style = document.createElement("style");
style.textContent = `
.embmerge-line, .embmerge-panel { box-sizing: border-box; margin: 0; padding: 2px 6px; overflow: auto;
  font: 11px/1.35 ui-monospace, Consolas, Menlo, monospace; white-space: pre; color: var(--input-text, #ddd); }
.embmerge-panel { width: 100%; height: 100%; border-radius: 4px; background: var(--comfy-input-bg, #222); user-select: text; }
.embmerge-line { width: 100%; height: 100%; opacity: .8; }
.embmerge-line.embmerge-mistake { opacity: 1; color: var(--error-text, #ff4444);
  color: color-mix(in srgb, var(--error-text, #ff4444) 45%, var(--input-text, #ddd)); }`; // its red alone is dark on dark
document.head.append(style);

function settingIs(id) {
  return app.extensionManager?.setting?.get(id) ?? app.ui?.settings?.getSettingValue?.(id);
}

// A widget of our own under a node's others, which no file holds: all it shows comes from elsewhere.
function addShown(node, name, className, height) {
  const element = document.createElement("pre");
  element.className = className;
  for (const kind of ["pointerdown", "wheel"]) {
    element.addEventListener(kind, (event) => event.stopPropagation());
  }
  const widget = node.addDOMWidget(name, "embmerge", element, {
    serialize: false, hideOnZoom: false, margin: EDGE, getValue: () => "", setValue: () => {},
    getMinHeight: () => height() + 2 * EDGE, getMaxHeight: () => height() + 2 * EDGE,
  });
  widget.serialize = false;
  return widget;
}

// A sentence may be wrapped; what a caret points into may not.
function fillLine(element, text) {
  const lines = text.split("\n");
  const caret = lines.findIndex((line) => /^\s*\^/.test(line));
  const parts = [[lines.slice(0, caret + 1), "pre"], [lines.slice(caret + 1), "pre-wrap"]];
  element.dataset.text = text;
  element.replaceChildren(...parts.filter(([own]) => own.length).map(([own, space]) => {
    const part = document.createElement("div");
    part.textContent = own.join("\n");
    part.style.whiteSpace = space;
    return part;
  }));
}

// Of an element that is not laid out yet, by the number of its lines.
function heightOf(element) {
  const laidOut = [...(element?.children ?? [])].reduce((sum, part) => sum + part.offsetHeight, 0);
  return 6 + Math.min(12 * 16, laidOut || 16 * linesOf(element?.dataset.text ?? ""));
}

function linesOf(text) {
  return Math.min(12, Math.max(1, text.split("\n").length));
}

function resize(node) {
  const [width, height] = node.computeSize();
  node.setSize([Math.max(node.size[0], width), Math.max(node.size[1], height)]);
  node.setDirtyCanvas?.(true, true);
}

// --- The line under a text box ---

function boxOf(widget) {
  return widget.inputEl ?? widget.element ?? null;
}

// Whether expressions in a node's boxes are answered: in ours, in all with the switch, and behind Expressions for CLIP.
// `around` are the nodes of the subgraphs that it stands in, the innermost last; without them all there are.
function isAnswered(node, around = []) {
  if (node.comfyClass?.startsWith("Embmerge") || settingIs(EVERY_CLIP)) {
    return true;
  }
  const seen = new Set();
  const next = [{ node, around }];
  while (next.length) {
    const one = next.pop();
    if (!one.node || seen.has(one.node)) {
      continue;
    }
    if (one.node.comfyClass === "EmbmergeExpressionsForCLIP" && !isOff(one.node)) {
      return true;
    }
    seen.add(one.node);
    (one.node.inputs ?? []).forEach((input, index) => {
      if (input.type === "CLIP" || input.type === "*") {
        next.push(...sourcesOf(one.node, index, one.around));
      }
    });
  }
  return false;
}

function isOff(node) {
  return node.mode === MUTED || node.mode === BYPASSED;
}

function linkOf(graph, id) {
  return id == null ? null : (graph?.getLink?.(id) ?? graph?.links?.get?.(id) ?? graph?.links?.[id] ?? null);
}

// The nodes that an input may come from, also into a subgraph, and out of one.
function sourcesOf(node, index, around) {
  const link = linkOf(node.graph, node.inputs[index]?.link);
  return link ? sourcesOfLink(node.graph, link, around) : [{ node: node.getInputNode?.(index), around }];
}

function sourcesOfLink(graph, link, around) {
  if (!link) {
    return [];
  }
  if (link.origin_id === SUBGRAPH_INPUT) {
    const own = around.at(-1)?.subgraph === graph ? [around.at(-1)] : everyNode().filter((one) => one.subgraph === graph);
    return own.flatMap((host) => {
      const outside = linkOf(host.graph, host.inputs?.[link.origin_slot]?.link);
      return sourcesOfLink(host.graph, outside, around.slice(0, -1));
    });
  }
  const node = graph.getNodeById(link.origin_id);
  if (!node?.subgraph || isOff(node)) {
    return [{ node, around }];
  }
  const inner = linkOf(node.subgraph, node.subgraph.outputs?.[link.origin_slot]?.linkIds?.[0]);
  return sourcesOfLink(node.subgraph, inner, [...around, node]);
}

// The boxes that read what is written in one: itself, or those that a node of a subgraph, or one that is a text alone,
// hands it on to.
function readersOf(node, name, around = [], before = []) {
  if (before.includes(node)) {
    return [];
  }
  const trail = [...before, node];
  if (node.subgraph) {
    const slot = (node.inputs ?? []).findIndex((input) => input.widget?.name === name);
    return targetsOf(node.subgraph, node.subgraph.inputs?.[slot]?.linkIds, [...around, node], trail);
  }
  return isTextAlone(node) ? targetsOf(node.graph, node.outputs[0].links, around, trail) : [{ node, name, around }];
}

function targetsOf(graph, links, around, trail) {
  return (links ?? []).flatMap((id) => {
    const link = linkOf(graph, id);
    const target = graph.getNodeById?.(link?.target_id);
    const name = target?.inputs?.[link.target_slot]?.widget?.name;
    if (target?.type === "Reroute") {
      return targetsOf(graph, target.outputs?.[0]?.links, around, trail);
    }
    return name ? readersOf(target, name, around, trail) : [];
  });
}

// A node that is nothing but a text, like the page's primitives.
function isTextAlone(node) {
  const own = (node.widgets ?? []).filter((widget) => widget.type !== "embmerge");
  const isText = own.length === 1 && node.outputs?.length === 1 && node.outputs[0].type === "STRING";
  return isText && !node.comfyClass?.startsWith("Embmerge");
}

// All nodes, those in subgraphs too.
function everyNode() {
  const found = [];
  const graphs = [app.rootGraph ?? app.graph];
  for (const graph of graphs) {
    for (const node of graph?._nodes ?? []) {
      found.push(node);
      if (node.subgraph && !graphs.includes(node.subgraph)) {
        graphs.push(node.subgraph);
      }
    }
  }
  return found;
}

// Whether a box's text comes by a link, which then takes the place of what is written in it.
function isLinked(node, widget) {
  return (node.inputs ?? []).some((input) => input.widget?.name === widget.name && input.link != null);
}

// What the page sends of a box in which it resolves choices and cuts comments; all stays in its place.
function sentText(widget) {
  const text = String(widget.value ?? "");
  return widget.dynamicPrompts ? text.replace(COMMENT, (comment) => comment.replace(/[^\n]/g, " ")) : text;
}

function watch(node, widget) {
  let timer = 0;
  let asked = 0;
  let shown = null;
  let height = 0;
  const fit = () => {
    const grown = heightOf(shown.element) - height;
    height += grown;
    if (grown) {
      node.setSize([node.size[0], node.size[1] + grown]);
    }
    node.setDirtyCanvas?.(true, true);
  };
  const show = (text, isMistake) => {
    if (!shown && !text) {
      return;
    }
    if (!shown) {
      shown = addShown(node, `embmerge_line_${widget.name}`, "embmerge-line", () => heightOf(shown?.element));
    }
    if (shown.element.dataset.text === text) {
      return;
    }
    fillLine(shown.element, text);
    shown.element.classList.toggle("embmerge-mistake", isMistake);
    if (height) {
      fit();
    } else {
      height = heightOf(shown.element);
      resize(node);
    }
    requestAnimationFrame(() => requestAnimationFrame(fit)); // laid out by then
  };
  const ask = async () => {
    const text = sentText(widget);
    const number = ++asked;
    const kind = isLinked(node, widget) ? null : kindOf(node, widget.name);
    if (!kind || (kind === "prompt" && !OPENS.test(text))) {
      return show("", false);
    }
    if (widget.dynamicPrompts && IN_BRACES.test(text)) {
      return show(BRACES_ARE_CHOICES, true);
    }
    try {
      const answer = await api.fetchApi("/embmerge/line", {
        method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ text, kind }),
      });
      const line = await answer.json();
      if (number === asked) {
        show(line.text, line.is_mistake);
      }
    } catch { /* the server is away; the next key asks again */ }
  };
  const later = () => { clearTimeout(timer); timer = setTimeout(ask, PAUSE); };
  boxOf(widget)?.addEventListener("input", later);
  const before = widget.callback;
  widget.callback = function (...values) { later(); return before?.apply(this, values); };
  node.embmergeBoxes ??= new Map();
  node.embmergeBoxes.set(widget, { ask: later, show });
  later();
}

// What is asked about a box: an expression, a prompt, or nothing where no expression in it is answered.
function kindOf(node, name) {
  const readers = readersOf(node, name);
  if (readers.some((reader) => EXPRESSIONS[reader.node.comfyClass]?.includes(reader.name))) {
    return "expression";
  }
  return readers.some((reader) => isAnswered(reader.node, reader.around)) ? "prompt" : null;
}

function textWidgets(node) {
  return (node.widgets ?? []).filter((widget) => boxOf(widget)?.tagName === "TEXTAREA" && typeof widget.value === "string");
}

// A box may come later than its node: that of a primitive with its link, that of a subgraph's node when it is shown there.
function watchBoxes(node) {
  for (const widget of textWidgets(node)) {
    if (!node.embmergeBoxes?.has(widget)) {
      watch(node, widget);
    }
  }
}

function askAgain() {
  for (const node of everyNode()) {
    watchBoxes(node);
    node.embmergeBoxes?.forEach((box, widget) => {
      if (node.widgets?.includes(widget)) {
        box.ask();
      } else {
        node.embmergeBoxes.delete(widget);
      }
    });
  }
}

// By the number of a graph that runs: the node, and before it those of the subgraphs around it, `12:5`.
function nodesOf(id) {
  let graph = app.rootGraph ?? app.graph;
  return String(id).split(":").map((part) => {
    const found = graph?.getNodeById(Number(part)) ?? graph?.getNodeById(part);
    graph = found?.subgraph;
    return found;
  });
}

// What stopped a graph, in the node's own line: the page's dialog has no fixed width, so that a caret points nowhere.
function showMistake({ detail }) {
  if (!String(detail.exception_type).includes("lib_embmerge.errors")) {
    return;
  }
  for (const node of nodesOf(detail.node_id)) {
    const [box] = node?.embmergeBoxes?.values() ?? [];
    box?.show(detail.exception_message.trimEnd(), true);
  }
}

// A link may change whether a box is read at all, and what stands before it.
function followLinks(nodeType) {
  const before = nodeType.prototype.onConnectionsChange;
  nodeType.prototype.onConnectionsChange = function () {
    const result = before?.apply(this, arguments);
    soonAgain();
    return result;
  };
}

let again = 0;
function soonAgain() {
  clearTimeout(again);
  again = setTimeout(askAgain, PAUSE);
}

// --- What a node shows when it has run ---

function showText(node, text) {
  node.embmergePanel ??= addShown(node, "embmerge_panel", "embmerge-panel", () => 8 + 16 * Math.max(4, linesOf(node.embmergePanel?.element.textContent ?? "")));
  node.embmergePanel.element.textContent = text;
  resize(node);
}

app.registerExtension({
  name: "embmerge",
  settings: [
    { id: "embmerge.angle_brackets", category: ["Embedding merge", "Expressions", "angle"], name: "Expressions in angle brackets: <'cat' + 'dog'>", type: "boolean", defaultValue: true },
    { id: "embmerge.curly_brackets", category: ["Embedding merge", "Expressions", "curly"], name: "Expressions in curly brackets: {'cat' + 'dog'}", type: "boolean", defaultValue: true },
    { id: "embmerge.vectors", category: ["Embedding merge", "Expressions", "vectors"], name: "Expressions as vectors in T5 and language models (Flux, SD 3, Chroma, Qwen-Image, …), too", type: "boolean", defaultValue: true },
    { id: "embmerge.words", category: ["Embedding merge", "Expressions", "words"], name: "Where T5 or a language model gets no vectors it reads an expression's words; else such models are refused", type: "boolean", defaultValue: true },
    { id: "embmerge.limit_characters", category: ["Embedding merge", "Limits", "characters"], name: "Characters of an expression, at most", type: "number", defaultValue: 16384 },
    { id: "embmerge.limit_depth", category: ["Embedding merge", "Limits", "depth"], name: "Parentheses inside each other, at most", type: "number", defaultValue: 100 },
    { id: "embmerge.limit_vectors", category: ["Embedding merge", "Limits", "vectors"], name: "Vectors of a value in an expression, at most", type: "number", defaultValue: 1024 },
    { id: "embmerge.limit_prompt", category: ["Embedding merge", "Limits", "prompt"], name: "Vectors of all expressions of a prompt, at most", type: "number", defaultValue: 8192 },
    { id: "embmerge.limit_work", category: ["Embedding merge", "Limits", "work"], name: "Vectors that these calculate in all their steps, at most", type: "number", defaultValue: 2000000 },
    {
      id: EVERY_CLIP, category: ["Embedding merge", "Expressions", "every"], name: "Every text encode answers expressions",
      tooltip: "Also without the node Expressions for CLIP: for programs that make their graphs themselves, like SwarmUI.",
      type: "boolean", defaultValue: false, onChange: askAgain,
    },
  ],
  nodeCreated: watchBoxes,
  beforeRegisterNodeDef(nodeType, nodeData) {
    followLinks(nodeType);
    if (!nodeData.name?.startsWith("Embmerge")) {
      return;
    }
    const before = nodeType.prototype.onExecuted;
    nodeType.prototype.onExecuted = function (output) {
      before?.apply(this, arguments);
      if (output?.[SHOWN]) {
        showText(this, output[SHOWN].join("\n"));
      }
    };
  },
  setup() {
    // A CLIP that was used gives counts where there were none.
    api.addEventListener("execution_success", askAgain);
    api.addEventListener("graphChanged", soonAgain); // a bypass, an undo
    api.addEventListener("execution_error", showMistake);
  },
});
