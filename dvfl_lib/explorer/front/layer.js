// The layer as it flows: the lessons' drawing, in which each box holds its live map.
import { WORDS, drawRow, holdsHere, isOff, levelNames, windowsOf } from "./boxes.js";
import { drawFrame, lay, makeMap, makeScale } from "./canvas.js";
import { button, choices, made, vector } from "./dom.js";
import { drawWires } from "./wires.js";

const KINDS = {
  context: ["contexts", "lengths: what lies around a token, wider level by level", "z"],
  sum: ["gate × context", "what each level adds, with the sign of its gate", "g", "z"],
  gate: ["gates", "how much of each level a token takes: raw, of either sign", "g"],
};
// As in the lessons, both branches have their gates next to the query.
const BRANCHES = {
  space: ["in space, each frame by itself", "", ["context", "sum", "gate"]],
  time: ["along time, each pixel by itself", "′", ["gate", "sum", "context"]],
};

// A symbol of the lessons, such as m with "space" below, and words or more symbols after it.
function symbol(letter, below = "", ...after) {
  const sign = made("i", "", letter, below && made("sub", "", below));
  return made("span", "dvfl-symbol", sign, ...after.flatMap((part) => [" ", part]));
}

/** The layer of the chosen block. */
export function makeLayer(el, record, state) {
  const note = Object.assign(made("p", "dvfl-note"), { role: "status" });
  const flow = made("div", "dvfl-flow"), bar = made("div", "dvfl-switches");
  const wires = vector("svg", { class: "dvfl-wires", "aria-hidden": true });
  const sees = made("span", "dvfl-window");
  let windows, input, edges, rows, switches, parts;
  const where = choices(state, "everywhere", "A switch acts",
    [[false, "in this block"], [true, "in all blocks"]]);
  el.append(bar, note, flow);
  new ResizeObserver(() => drawWires(wires, edges)).observe(flow);

  // Switches a part off, here or everywhere; or on again, wherever that holds for this block.
  function flip(part, level) {
    const { everywhere } = state.view, { stage, block } = everywhere
      ? { stage: 0, block: 0 } : state.block;
    const kept = state.change.off.filter((off) => off.part !== part || off.level !== level
      || !(everywhere || holdsHere(off, state)));
    const off = isOff(state, part, level) ? [] : [{ stage, block, part, level }];
    state.alter({ off: [...kept, ...off] });
  }
  function makeSwitch(part, level, name) {
    const one = button("", () => flip(part, level),
      { role: "switch", ariaLabel: name, title: `Switch ${name} off or on` });
    one.classList.add("dvfl-switch");
    switches.push([one, part, level]);
    return one;
  }
  // Remembers what a box is part of: a branch, and there a level (from 1); and how it is called.
  function part(box, branch = "", level = 0, name = "") {
    parts.push([box, branch, level]);
    if (name) box.dataset.part = name;
    return box;
  }
  function single(kind, title, words, name, branch) {
    const map = makeMap(state, title, `dvfl-is-${kind}`), scale = makeScale();
    map.el.append(scale.el);
    rows.push({ maps: [map], scale, boxes: [[kind]], words: [words] });
    return part(map.el, branch, 0, name);
  }

  function build(levels) {
    [rows, switches, parts, edges] = [[], [], [], []];
    windows = windowsOf(state);
    flow.style.setProperty("--levels", levels);
    bar.replaceChildren(where.el, made("div", "dvfl-named", made("span", "", "the whole block"),
      makeSwitch("block", 0, "the whole block")));
    input = makeMap(state, symbol("x", "", "input"), "dvfl-is-x");
    input.canvas.tabIndex = 0;
    input.seen.append(sees);
    const q = single("q", symbol("q", "", "query"), "query", "query");
    const product = single("product", symbol("m", "space", symbol("m", "time")),
      "product of the modulators", "product");
    const out = made("div", "dvfl-out", symbol("y", "", "= "),
      made("small", "", "proj of q × m × m; is added to x"));
    edges.push([input.el, q, "", "f"], [product, part(out, "block"), "", ""],
      [q, out, "dvfl-is-q", "×", true]);
    const [space, time] = Object.keys(BRANCHES).map((name) => buildBranch(name, levels, product));
    flow.replaceChildren(wires, input.el, space, made("div", "dvfl-middle", q, product), time, out);
  }

  function buildBranch(branch, levels, product) {
    const [about, dash, order] = BRANCHES[branch], word = WORDS[branch], boxes = {};
    const each = (make) => levelNames(state.block).map(make), name = `${word} branch`;
    const ground = made("div", `dvfl-branch dvfl-is-${branch}`, made("div", "dvfl-named dvfl-head",
      made("b", "", name), makeSwitch(branch, 0, name), made("small", "", about)));
    const own = single(branch, symbol("m", branch), `${word} modulator`,
      `modulator-${branch}`, branch);
    ground.append(...each((level, i) => part(made("div", "dvfl-named", made("span", "", level),
      makeSwitch(branch, i + 1, `${word} ${level}`)), branch, i + 1)));
    for (const kind of order) {
      const [title, words, ...letters] = KINDS[kind], scale = makeScale();
      const called = `${kind === "sum" ? "terms" : title}-${branch}`;
      const maps = each((_, i) => {
        const signs = letters.map((letter) => symbol(letter + dash, i + 1));
        const map = makeMap(state, made("span", "", ...signs), `dvfl-is-${kind}`);
        if (kind === "context") map.el.append(made("small", "", sight(branch, i, levels)));
        part(map.el, branch, i + 1, called);
        return map;
      });
      boxes[kind] = maps.map((map) => map.el);
      const head = made("div", "dvfl-head", made("b", "", title), made("small", "", words),
        scale.el);
      head.dataset.part = called;
      ground.append(head, ...boxes[kind], ...(kind === "sum" ? [own] : []));
      rows.push({ maps, scale, boxes: each((_, i) => [kind, branch, i]), raw: kind !== "context",
        words: each((level) => `${word} ${title}, ${level}`) });
    }
    const { context, gate, sum } = boxes;
    edges.push([input.el, ground, "", `f${dash}`], [sum.at(-1), own, "", `h${dash}`],
      [own, product, `dvfl-is-${branch}`, "×"]);
    each((_, i) => {
      edges.push([context[i], sum[i], "dvfl-is-context", ""],
        [gate[i], sum[i], "dvfl-is-gate", ""]);
      if (!i) return;
      edges.push([context[i - 1], context[i], "dvfl-is-context", ""],
        [sum[i - 1], sum[i], "", "+"]);
    });
    return ground;
  }

  // How a context is made, and how far it sees, in words.
  function sight(branch, i, levels) {
    const space = branch === "space";
    if (i === levels - 1) return space ? "mean over the frame" : "mean over all frames";
    if (!windows) return "";
    const { kernel, sees } = windows[i];
    const size = (n) => (space ? `${n}\u00a0×\u00a0${n}` : `${n}\u00a0frames`);
    return i ? `${size(kernel)} of z${space ? "" : "′"}${"₀₁₂₃₄₅"[i]}: sees ${size(sees)}`
      : size(kernel) + (space ? " tokens" : "");
  }
  // How far the chosen level sees, on the frame and in words.
  function tellReach({ size: [T], levels }, { level, frame }) {
    const whole = level === levels, side = whole ? Infinity : (windows?.[level - 1]?.sees - 1) / 2;
    sees.hidden = !(side > 0);
    if (sees.hidden) return "";
    lay(sees, state, side);
    if (whole) return "The global level sees the whole frame; in time, all frames.";
    const from = Math.max(0, frame - side), to = Math.min(T - 1, frame + side), size = 2 * side + 1;
    return `Level ${level} sees ${size} × ${size} tokens around the token; in time its place in `
      + `frames ${from + 1} to ${to + 1}.`;
  }

  return (keys) => {
    const { block, view } = state, recorded = view.moment === "before";
    if (keys.has("network")) build(block.levels);
    drawFrame(input.canvas, state, view.frame, recorded);
    input.show({ words: "input" });
    where.draw();
    rows.forEach((row) => drawRow(state, row, input.canvas));
    const off = (...of) => !recorded && isOff(state, ...of);
    for (const [one, ...of] of switches) {
      one.ariaChecked = !isOff(state, ...of);
      one.disabled = !state.answers.some((answer) => answer.live);
    }
    for (const [box, branch, level] of parts) {
      const cut = off(branch, level) && !box.matches(".dvfl-is-context");
      box.classList.toggle("dvfl-off", cut || off("block", 0) || off(branch, 0));
      box.classList.toggle("dvfl-cut", cut);
      box.classList.toggle("dvfl-chosen", level > 0 && level === view.level);
    }
    const { live, trouble } = state.answer, told = [trouble];
    if (state.changed && !live) told.push("This network cannot be asked here: it is as recorded.");
    if (view.moment === "difference") told.push("Shown: now minus before. White: nothing changed.");
    note.textContent = [...told, tellReach(block, view)].filter(Boolean).join(" ");
    if (keys.has("network")) drawWires(wires, edges);
  };
}
