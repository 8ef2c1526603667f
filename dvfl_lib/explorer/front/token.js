// The chosen token: its numbers, its lines over the frames, and what it depends on.
import { WORDS, grain, levelNames, numbersOf, windowsOf } from "./boxes.js";
import { lay, makeMap, makeScale, once } from "./canvas.js";
import { button, made, vector } from "./dom.js";
import { extent, short } from "./record.js";

const levelTint = (level, levels) => (
  level === levels - 1 ? "var(--ink)" : ["var(--q)", "var(--gate)", "var(--time)"][level % 3]);

/** The numbers of the chosen token, and its lines over the frames. */
export function makeToken(el, record, state) {
  const where = made("p", "dvfl-where"), tables = made("div", "dvfl-tables"), { view } = state;
  const charts = [0, 1, 2].map(() => makeLines((frame) => state.set({ frame })));
  el.append(where, tables, made("div", "dvfl-lines", ...charts.map((chart) => chart.el)));

  // A number of the token in a frame: {now, before}, the same if only their rounding differs.
  function value(frame, box, rest) {
    const { answer: { before, now }, block: { size: [, h, w] } } = state;
    const [old, fresh] = [before, now].map((maps) => numbersOf(maps.blocks[view.block], box, rest));
    const at = (frame * h + view.row) * w + view.column, is = fresh[at], was = old[at];
    return { now: is, before: Math.abs(is - was) > grain(old) ? was : is };
  }
  function cell(box, rest) {
    const { now, before } = value(view.frame, box, rest);
    const was = before === now ? [] : [" ", made("small", "", `was ${short(before)}`)];
    return made("td", "", short(now), ...was);
  }
  function table(caption, heads, rows) {
    const head = (text, scope) => Object.assign(made("th", "", text), { scope });
    return made("table", "", made("caption", "", caption),
      made("tr", "", made("td"), ...heads.map((text) => head(text, "col"))),
      ...rows.map(([name, ...cells]) => made("tr", "", head(name, "row"), ...cells)));
  }
  function series(name, tint, box, rest) {
    const points = Array.from({ length: record.size[0] }, (_, t) => value(t, box, rest));
    return { name, tint, now: points.map((p) => p.now), before: points.map((p) => p.before) };
  }

  return function draw() {
    const { size: [T, h, w], levels } = state.block, { frame, row, column } = view;
    where.ariaLive = view.playing ? "off" : "polite";
    where.textContent = `Frame ${frame + 1} of ${T}, row ${row + 1}, column ${column + 1} `
      + `of ${h} × ${w} tokens.`;
    const names = levelNames(state.block);
    tables.replaceChildren(...Object.entries(WORDS).map(([branch, word]) => (
      table(`${word} branch`, ["gate", "context", "gate × context"], names.map((name, i) => (
        [name, ...["gate", "context", "sum"].map((kind) => cell([kind, branch, i]))]))
      ))), table("query and modulators", ["length", "from rest"], [
      ["query", cell(["q"]), made("td", "", "–")],
      ...["space", "time", "product"].map((kind) => (
        [WORDS[kind] ?? kind, cell([kind]), cell([kind], true)])),
    ]));
    Object.entries(WORDS).forEach(([branch, word], n) => (
      charts[n].show(`${word} gates`, frame, names.map((name, i) => (
        series(name, levelTint(i, levels), ["gate", branch, i]))))));
    const rest = view.amount === "rest", amount = rest ? "distance from rest" : "length";
    charts[2].show(`modulators: ${amount}`, frame, Object.entries(WORDS).map(
      ([branch, word]) => series(word, `var(--${branch})`, [branch], rest)));
  };
}

// Lines over the frames, as they are now, and dashed as they were; a click chooses the frame.
function makeLines(choose) {
  const svg = vector("svg", { viewBox: "0 0 400 170", role: "img" });
  const caption = made("figcaption"), el = made("figure", "dvfl-chart", caption, svg);
  let count = 1;
  svg.onclick = (event) => {
    const box = svg.getBoundingClientRect(), x = (event.clientX - box.left) / box.width * 400;
    choose(Math.round((x - 44) / 276 * (count - 1)));
  };
  function show(title, frame, series) {
    count = series[0].now.length;
    const [low, most] = extent(series.flatMap(({ now, before }) => [...now, ...before]));
    const high = most || 1;
    const X = (t) => 44 + 276 * t / Math.max(1, count - 1);
    const Y = (v) => 140 - 126 * (v - low) / (high - low);
    const path = (values) => values.map((v, t) => `${t ? "L" : "M"}${X(t)} ${Y(v)}`).join("");
    const parts = [vector("rect", { x: X(frame) - 7, y: 8, width: 14, height: 138 })];
    for (const v of new Set([low, 0, high])) {
      parts.push(vector("path", { d: `M44 ${Y(v)}H320`, class: v ? "" : "dvfl-zero" }),
        vector("text", { x: 38, y: Y(v) + 4, "text-anchor": "end" }, short(v)));
    }
    for (let t = 0; t < count; t += Math.ceil(count / 16)) {
      parts.push(vector("text", { x: X(t), y: 163, "text-anchor": "middle" }, t + 1));
    }
    // Names at the right ends, pushed apart where they would touch.
    const ends = series.map(({ now }, i) => ({ i, y: Y(now.at(-1)) + 4 }));
    ends.sort((a, b) => a.y - b.y);
    ends.forEach((end, n) => { if (n) end.y = Math.max(end.y, ends[n - 1].y + 14); });
    for (const { i, y } of ends) {
      const { name, tint, now, before } = series[i], style = `--tint: ${tint}`;
      parts.push(vector("path", { d: path(before), style, class: "dvfl-was" }),
        vector("path", { d: path(now), style, class: "dvfl-is" }),
        vector("circle", { cx: X(frame), cy: Y(now[frame]), r: 4, style }),
        vector("text", { x: 328, y, style, class: "dvfl-of" }, name));
    }
    svg.replaceChildren(...parts);
    caption.textContent = title;
    svg.ariaLabel = `${title} over the frames; in frame ${frame + 1}: `
      + series.map(({ name, now }) => `${name} ${short(now[frame])}`).join(", ");
  }
  return { el, show };
}

/** What the chosen token depends on: in its block's input, and back to the blocks before. */
export function makeReach(el, record, state) {
  const told = made("p", "dvfl-note"), strips = made("div", "dvfl-strips"), { view } = state;
  const measure = button("Measure this token", ask), measured = new Map();
  const go = button("Choose that token", () => {});
  let trouble = "", shown = null, rows = [];
  el.append(told, made("p", "", go, " ", measure), strips);
  const name = () => (
    ["network", "block", "frame", "row", "column"].map((part) => view[part]).join());

  async function ask() {
    const key = name(), { block, frame, row, column } = view;
    measure.disabled = true;
    trouble = "";
    try {
      measured.set(key, await state.asker.measure(block, [frame, row, column]));
    } catch (error) {
      trouble = `${error.message} `;
    }
    measure.disabled = false;
    draw();
  }

  // The kept token nearest to the chosen one, of the same frame if there is one.
  function nearest({ tokens }) {
    const gap = ([t, y, x]) => (
      1e6 * Math.abs(t - view.frame) + (y - view.row) ** 2 + (x - view.column) ** 2);
    return tokens.reduce((best, token, i) => (gap(token) < gap(tokens[best]) ? i : best), 0);
  }

  function draw() {
    const exact = measured.get(name()), reach = exact ?? state.block.reach;
    const some = reach?.tokens.length > 0, at = some && nearest(reach);
    const [frame, row, column] = some ? reach.tokens[at] : [];
    const mine = frame === view.frame && row === view.row && column === view.column;
    const place = `frame ${frame + 1}, row ${row + 1}, column ${column + 1}`;
    measure.hidden = !state.asker.kernel || Boolean(exact);
    go.hidden = mine || !some;
    go.onclick = () => state.set({ frame, row, column });
    if (shown !== reach) strips.replaceChildren();
    if (shown !== reach) rows = some ? reach.sources.map((_, i) => makeStrip(reach, i)) : [];
    shown = reach;
    rows.forEach((show) => show(at, { frame, row, column }));
    told.textContent = trouble + (!some
      ? "What the tokens of this block depend on was not measured."
      : (mine ? `Measured for this token (${place}). `
        : `This token was not measured. Shown is the nearest one that was: ${place}. `)
      + (state.changed ? "It holds for the recorded clip, without your changes. " : "")
      + "The brighter a token, the more the result moves when it is moved (size of the derivative: "
      + "its root, as a share of the largest). Hatched: not reached at all. White frames: what the "
      + "levels can reach.");
  }

  // One source: the map of each frame, and how many tokens of it are reached.
  function makeStrip(reach, i) {
    const [stage, number] = reach.sources[i], windows = windowsOf(state), lut = record.luts.amount;
    const block = state.blocks.find((b) => b.stage === stage && b.block === number);
    const [T, h, w] = block.size, title = made("p"), scale = makeScale();
    const values = once(reach.maps[i], "share", () => (
      Float32Array.from(reach.maps[i], (v) => (v ? v / 255 : NaN))));
    const maps = Array.from({ length: T }, (_, t) => (
      makeMap(state, made("span", "", `frame ${t + 1}`))));
    strips.append(title, made("div", "dvfl-strip-of", ...maps.map((map) => map.el)), scale.el);
    scale.show([0, 1], lut);
    return (at, token) => {
      const all = T * h * w, part = values.subarray(at * all, (at + 1) * all);
      const count = part.filter((v) => v > 0).length;
      const many = `${count < all ? `${count.toLocaleString("en")} of` : "all"} `
        + `${all.toLocaleString("en")} tokens`;
      title.textContent = `${i + 1} ${i ? "blocks, back to" : "block:"} the input of `
        + `stage ${stage}, block ${number}: ${many}`;
      maps.forEach((map, t) => {
        map.show({ values: part.subarray(t * h * w, (t + 1) * h * w), block, range: [0, 1], lut,
          place: t, token, words: `dependence through ${i + 1} ${i ? "blocks" : "block"}` });
        if (!i) outline(map.seen, t, token, block.levels, windows);
      });
    };
  }

  // How far the chosen level sees, or each: a window in the token's frame, its pixel in others.
  function outline(seen, t, token, levels, windows) {
    seen.querySelectorAll(".dvfl-window").forEach((old) => old.remove());
    for (let level = 1; level <= levels; level++) {
      const side = level === levels ? Infinity : windows && (windows[level - 1].sees - 1) / 2;
      const apart = Math.abs(t - token.frame);
      if ((view.level && view.level !== level) || side === null || apart > side) continue;
      const mark = seen.appendChild(made("span", "dvfl-window"));
      lay(mark, state, apart ? 0 : side, token);
    }
  }
  return draw;
}
