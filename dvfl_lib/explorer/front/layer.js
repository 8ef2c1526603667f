// The layer as it flows: the lessons' drawing, in which each box holds its live map.
import { boxOf, drawRow, isOff, windowsOf } from "./boxes.js";
import { blockOf, drawFrame, lay, makeMap, makeScale } from "./canvas.js";
import { button, choices, made } from "./dom.js";
import { drawWires, vector } from "./wires.js";

const BRANCHES = {
  space: { about: "in space, each frame by itself", word: "spatial", dash: "" },
  time: { about: "along time, each pixel by itself", word: "temporal", dash: "′" },
};
const KINDS = {
  context: ["contexts", "lengths: what lies around a token, wider level by level", "z"],
  gate: ["gates", "how much of each level a token takes: raw, of either sign", "g"],
  sum: ["gate × context", "what each level adds, with the sign of its gate", "g", "z"],
};
// The drawing's rows on a wide grid; on a narrow one all branches read from the top down.
const LINES = {
  space: { levels: 1, context: 2, sum: 3, gate: 4 },
  time: { levels: 6, gate: 7, sum: 8, context: 9 },
};

// A symbol of the lessons, such as m with "space" below, and words or more symbols after it.
function symbol(letter, below, ...after) {
  const el = made("span", "dvfl-symbol"), sign = made("i", "", letter);
  if (below) sign.append(made("sub", "", String(below)));
  el.append(sign, ...after.flatMap((part) => [" ", part]));
  return el;
}
// A switch beside its name.
function named(control, name, tag = "span") {
  const el = made("div", "dvfl-named");
  if (name) el.append(made(tag, "", name));
  el.append(control);
  return el;
}

/** The layer of the chosen block. */
export function makeLayer(el, record, state) {
  const note = made("p", "dvfl-note"), bar = made("div", "dvfl-switches");
  const sees = made("span", "dvfl-window");
  const flow = made("div", "dvfl-flow"), wires = vector("svg", { class: "dvfl-wires" });
  const [, H, W] = record.size;
  let everywhere = false, built = "", windows, input, edges, rows, switches, parts;
  const where = choices("A switch acts", [[false, "in this block"], [true, "in all blocks"]],
    (value) => { everywhere = value; });
  where.set(everywhere);
  note.setAttribute("role", "status");
  wires.setAttribute("aria-hidden", "true");
  el.append(bar, note, flow);
  new ResizeObserver(() => drawWires(wires, edges)).observe(flow);

  // Switches a part off, here or everywhere; or on again, wherever that holds for this block.
  function flip(part, level) {
    const { stage, block } = blockOf(record, state);
    const place = everywhere ? { stage: 0, block: 0 } : { stage, block };
    const kept = state.change.off.filter((o) => o.part !== part || o.level !== level
      || (!everywhere && o.stage !== 0 && (o.stage !== stage || o.block !== block)));
    const off = isOff(record, state, part, level) ? [] : [{ ...place, part, level }];
    state.alter({ off: [...kept, ...off] });
  }
  function makeSwitch(part, level, name) {
    const one = button("", () => flip(part, level), `Switch ${name} off or on`);
    one.classList.add("dvfl-switch");
    one.setAttribute("role", "switch");
    one.setAttribute("aria-label", name);
    switches.push([one, part, level]);
    return one;
  }

  // Puts a box on the grid: its area on a wide one and on a narrow one. What it is part of: a
  // branch, and there of a level (from 1).
  function put(box, wide, narrow, branch = "", level = 0) {
    box.style.setProperty("--wide", wide);
    box.style.setProperty("--narrow", narrow);
    parts.push([box, branch, level]);
    flow.append(box);
    return box;
  }
  function single(kind, title, words, wide, narrow, branch) {
    const map = makeMap(record, state, title, `dvfl-is-${kind}`), scale = makeScale();
    map.el.append(scale.el);
    rows.push({ maps: [map], scale, of: [[kind]], words: [words] });
    return put(map.el, wide, narrow, branch);
  }

  function build(levels) {
    const end = levels + 3, whole = `1 / auto / ${levels + 1}`;
    [rows, switches, parts, edges] = [[], [], [], []];
    windows = windowsOf(record, state);
    flow.style.setProperty("--levels", levels);
    flow.replaceChildren(wires);
    bar.replaceChildren(where.el, named(makeSwitch("block", 0, "the whole block"), "the whole block"));
    input = makeMap(record, state, symbol("x", "", "input"), "dvfl-is-x");
    input.canvas.tabIndex = 0;
    input.seen.append(sees);
    put(input.el, "1 / 1 / 10 / 2", "1 / 1");
    const q = single("q", symbol("q", "", "query"), "query", "5 / 3", "20 / 1");
    const product = single("product", symbol("m", "space", "×", symbol("m", "time")),
      "product of the modulators", `5 / ${end}`, `20 / ${levels}`);
    const out = made("div", "dvfl-out");
    out.append(symbol("y", "", "= proj(", symbol("q"), "×", symbol("m", "space"), "×",
      symbol("m", "time"), ") "), made("small", "", "is added to x"));
    put(out, `5 / ${end + 1}`, `21 / ${whole}`, "block");
    edges.push([input.el, q, "", "f"], [product, out, "", ""],
      [q, out, "dvfl-is-q", "×", true]);
    for (const branch of Object.keys(BRANCHES)) buildBranch(branch, levels, end, whole, product);
  }

  function buildBranch(branch, levels, end, whole, product) {
    const { about, word, dash } = BRANCHES[branch], line = LINES[branch], boxes = {};
    const top = branch === "space" ? 2 : 11;
    const ground = put(made("div", `dvfl-ground dvfl-in-${branch}`),
      `${line.levels} / 2 / ${line.levels + 4} / ${end + 1}`, `${top} / 1 / ${top + 9} / -1`);
    const title = put(named(makeSwitch(branch, 0, `${word} branch`), `${word} branch`, "b"),
      `${line.levels} / 2`, `${top} / ${whole}`);
    title.append(made("small", "", about));
    const each = (make) => Array.from({ length: levels }, (_, i) => (
      make(i < levels - 1 ? `level ${i + 1}` : "global", i)));
    each((name, i) => put(named(makeSwitch(branch, i + 1, `${word} ${name}`), name),
      `${line.levels} / ${i + 3}`, `${top + 1} / ${i + 1}`, branch, i + 1));
    Object.entries(KINDS).forEach(([kind, [name, words, ...letters]], row) => {
      const scale = makeScale(), head = made("div", "dvfl-head"), down = top + 2 + 2 * row;
      head.append(made("b", "", name), made("small", "", words), scale.el);
      put(head, `${line[kind]} / 2`, `${down} / ${whole}`);
      const maps = each((_, i) => {
        const signs = letters.map((letter) => symbol(letter + dash, i + 1)), sign = made("span");
        sign.append(...signs);
        const map = makeMap(record, state, sign, `dvfl-is-${kind}`);
        if (kind === "context") map.el.append(made("small", "", sight(branch, i, levels)));
        put(map.el, `${line[kind]} / ${i + 3}`, `${down + 1} / ${i + 1}`, branch, i + 1);
        return map;
      });
      rows.push({ maps, scale, of: each((_, i) => [kind, branch, i]), raw: kind !== "context",
        words: each((level) => `${word} ${name}, ${level}`) });
      boxes[kind] = maps.map((map) => map.el);
    });
    const own = single(branch, symbol("m", branch), `${word} modulator`,
      `${line.sum} / ${end}`, `${top + 8} / ${levels}`, branch);
    const { context, gate, sum } = boxes;
    edges.push([input.el, ground, "", `f${dash}`], [sum.at(-1), own, "", `h${dash}`],
      [own, product, `dvfl-is-${branch}`, "×"]);
    each((_, i) => edges.push([context[i], sum[i], "dvfl-is-context", ""],
      [gate[i], sum[i], "dvfl-is-gate", ""]));
    each((_, i) => i && edges.push([context[i - 1], context[i], "dvfl-is-context", ""],
      [sum[i - 1], sum[i], "", "+"]));
  }

  // How a context is made, and how far it sees, in words.
  function sight(branch, i, levels) {
    const space = branch === "space";
    if (i === levels - 1) return space ? "mean over the frame" : "mean over all frames";
    if (!windows) return "";
    const { kernel, sees } = windows[i], from = i ? ` of z${"₀₁₂₃₄₅"[i]}` : "";
    const size = (n) => (space ? `${n} × ${n}${i ? "" : " tokens"}` : `${n} frames`);
    return `${size(kernel)}${from}${i ? `: sees ${size(sees)}` : ""}`;
  }

  function tell(block) {
    const { view, changed, answers } = state, { live, trouble } = answers[view.network];
    const told = [];
    if (trouble) told.push(trouble);
    else if (changed && !live) {
      told.push("This network cannot be asked here: its maps stay as recorded.");
    }
    if (view.moment === "difference") told.push("Shown: now minus before. White: nothing changed.");
    if (view.level) told.push(reachOf(block, view));
    note.textContent = told.join(" ");
  }
  function reachOf({ size: [T], levels }, { level, frame }) {
    if (level === levels) return "The global level sees the whole frame; in time, all frames.";
    if (!windows) return "";
    const { sees } = windows[level - 1], side = (sees - 1) / 2;
    const [from, to] = [Math.max(1, frame + 1 - side), Math.min(T, frame + 1 + side)];
    return `Level ${level} sees ${sees} × ${sees} tokens of frame ${frame + 1} around the token; `
      + `in time the same pixel in frames ${from} to ${to}.`;
  }

  return function draw() {
    const block = blockOf(record, state), { view } = state, recorded = view.moment === "before";
    const key = `${block.levels} ${JSON.stringify(windowsOf(record, state))}`;
    if (key !== built) build(block.levels);
    drawFrame(input.canvas, record, state, view.frame, { recorded });
    input.show({ h: block.size[1], w: block.size[2], covered: [H, W], words: "input" });
    for (const row of rows) {
      const boxes = row.of.map((box) => boxOf(block, view, ...box));
      drawRow(record, state, { ...row, boxes }, input.canvas);
    }
    const off = (part, level) => isOff(record, state, part, level);
    for (const [one, part, level] of switches) one.setAttribute("aria-checked", !off(part, level));
    for (const [box, branch, level] of parts) {
      const lost = off("block", 0) || (branch && off(branch, 0));
      const cut = branch && off(branch, level) && !box.classList.contains("dvfl-is-context");
      box.classList.toggle("dvfl-off", !recorded && Boolean(lost || cut));
      box.classList.toggle("dvfl-cut", !recorded && Boolean(cut));
      box.classList.toggle("dvfl-chosen", Boolean(level) && level === view.level);
    }
    sees.hidden = !view.level || (!windows && view.level < block.levels);
    if (!sees.hidden) {
      const whole = view.level === block.levels;
      lay(sees, record, state, whole ? Infinity : (windows[view.level - 1].sees - 1) / 2);
    }
    tell(block);
    if (key !== built) drawWires(wires, edges);
    built = key;
  };
}
