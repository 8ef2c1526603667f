// Maps beside each other: of two networks, of modulators and Grad-CAM, and what covering costs.
import { numbersOf, rangeOf } from "./boxes.js";
import { blockOf, makeMap, makeScale, once } from "./canvas.js";
import { STALE } from "./asking.js";
import { button, choices, made } from "./dom.js";
import { rankCorrelation, short, softmax } from "./record.js";
import { vector } from "./wires.js";

const EXPLAINED = "Rank correlation: 1 if both maps put all tokens in the same order, 0 if their "
  + "orders have nothing in common, −1 if one is the reverse of the other. Top tenth: the tenth "
  + "of the tokens of all frames with the largest numbers. Grad-CAM: which tokens speak for the "
  + "class that the network names, judged by derivatives.";

/** Pairs of maps with their rank correlation, and the search for the token that decides. */
export function makeBeside(el, record, state) {
  const { view } = state, { networks } = record;
  const others = choices("Beside which network", networks.map(({ name }, i) => [i, name]),
    (beside) => state.set({ beside }));
  const twins = makeGroup(2, others.el), cams = makeGroup(2);
  const start = button("Cover each token in turn", () => (task ? stop("Stopped.") : cover()));
  const choose = button("Choose it", () => {});
  const costs = makeGroup(1, choose, start), found = new Map();  // by network, block and change
  let task = null;
  twins.el.hidden = networks.length < 2;
  el.append(made("div", "dvfl-groups", twins.el, cams.el, costs.el),
    made("p", "dvfl-note", EXPLAINED));

  function makeGroup(count, ...controls) {
    const said = made("p"), maps = Array.from({ length: count }, () => {
      const title = made("span"), map = makeMap(record, state, title), scale = makeScale();
      const svg = map.seen.appendChild(vector("svg", { class: "dvfl-differ" }));
      map.el.append(scale.el);
      return { ...map, title, scale, svg };
    }), row = made("div", "dvfl-pair", ...maps.map((map) => map.el));
    return { el: made("div", "dvfl-group-of", row, said, ...controls), maps, said };
  }

  // One map on a scale of its own; of T frames, or (T = 1) the same for all.
  function put({ title, show, scale }, { values, size: [T, h, w], covered, name, tight }, signed) {
    const from = T > 1 ? view.frame * h * w : 0, to = from + h * w;
    const part = signed || !view.shared ? [from, to] : [];
    const range = rangeOf([{ both: [values] }], signed, tight, ...part);
    const lut = record.luts[signed ? "signed" : "amount"];
    title.textContent = name;
    show({ values: values.subarray(from, to), h, w, covered, range, lut, words: name });
    scale.show(range, lut);
  }
  function compare({ maps, said }, parts, after = "") {
    const [a, b] = parts, fit = String([a.size, a.covered]) === String([b.size, b.covered]);
    parts.forEach((part, i) => {
      put(maps[i], part);
      outline(maps[i].svg, part, parts[1 - i], fit);
    });
    said.textContent = `Rank correlation over all frames: ${alike(a, b)}. `
      + (fit ? "Outlined: in the top tenth of this map, but not of the other. " : "") + after;
  }
  function alike(a, b) {
    if (String(a.covered) !== String(b.covered)) return "none, for the maps cover other pixels";
    const { value, reason } = once(a.values, b.values, () => (
      rankCorrelation(a.values, a.size, b.values, b.size)));
    if (value === null) return `none, for ${reason}`;
    const size = Math.abs(value), words = size < 0.2 ? "hardly related" : `${
      size < 0.4 ? "weakly" : size < 0.7 ? "partly" : "strongly"} related`;
    return `${value.toFixed(2)} (${words}${value < -0.2 ? ", in opposite order" : ""})`;
  }
  function outline(svg, mine, other, fit) {
    const [, h, w] = mine.size, rects = [];
    const [height, width] = [mine.covered[0] / h, mine.covered[1] / w];
    const high = ({ values }, at) => values[at] > 0 && values[at] >= once(values, "top", () => (
      values.slice().sort()[Math.floor(0.9 * values.length)]));
    for (let i = 0, at = view.frame * h * w; fit && i < h * w; i++, at++) {
      if (!high(mine, at) || high(other, at)) continue;
      const x = (i % w) * width, y = Math.floor(i / w) * height;
      rects.push({ x, y, width, height });
    }
    frame(svg, rects);
  }
  function frame(svg, rects) {
    svg.setAttribute("viewBox", `0 0 ${record.size[2]} ${record.size[1]}`);
    svg.replaceChildren(...rects.map((rect) => vector("rect", rect)));
  }

  const key = () => `${view.network} ${view.block} ${JSON.stringify(state.change)}`;
  function stop(why) {
    task = null;
    start.textContent = "Cover each token in turn";
    costs.said.textContent = why;
  }
  // Asks the network once per token of the map, which is then grey in all frames.
  async function cover() {
    const mine = task = { key: key() }, { change } = state, asker = state.askers[view.network];
    const { size: [, h, w], covered } = blockOf(record, state);
    const share = async (grey) => softmax((await asker.ask({ ...change, grey })).maps.logits, 1);
    const [high, wide] = [covered[0] / h, covered[1] / w], values = new Float32Array(h * w);
    start.textContent = "Stop";
    try {
      const before = await share(change.grey), told = record.classes.indexOf(record.label);
      const target = told >= 0 ? told : before.indexOf(Math.max(...before));
      found.set(mine.key, { values, target, done: 0 });
      for (let i = 0; i < h * w; i++) {
        const top = Math.floor(i / w) * high, left = (i % w) * wide;
        const after = await share([...change.grey, [-1, top, left, top + high, left + wide]]);
        if (task !== mine || key() !== mine.key) break;
        values[i] = 100 * (before[target] - after[target]);
        found.get(mine.key).done = i + 1;
        drawCosts();
      }
    } catch (error) {
      if (task === mine) stop(error === STALE ? "Stopped: the clip was changed." : error.message);
    }
    if (task === mine) stop("");
    drawCosts();
  }
  function drawCosts() {
    const { live } = state.answers[view.network], block = blockOf(record, state);
    const { size: [T, h, w], covered } = block, result = found.get(key());
    start.disabled = !live;
    costs.maps[0].el.hidden = choose.hidden = !result;
    if (task && task.key !== key()) stop("");
    if (!result) {
      if (task) return;
      costs.said.textContent = live ? `Each of the ${h * w} tokens of this block becomes grey `
        + "in all frames, one after the other, and the network is asked each time."
        : "This network cannot be asked here.";
      return;
    }
    const { values, target, done } = result, most = values.indexOf(Math.max(...values));
    const map = { values, size: [1, h, w], covered, name: "what covering costs" };
    put(costs.maps[0], map, true);
    const row = Math.floor(most / w), column = most % w;
    const [height, width] = [covered[0] / h, covered[1] / w];
    frame(costs.maps[0].svg, [{ x: column * width, y: row * height, width, height }]);
    choose.onclick = () => state.set({ row, column });
    costs.said.textContent = `${done} of ${h * w} tokens covered. In percentage points, what the `
      + `probability of "${record.classes[target]}" loses; most at row ${row + 1}, column `
      + `${column + 1}: ${short(values[most])}. A grey square that stands still is itself `
      + "something new to see: not every loss comes from what it covers. ";
    if (done < h * w) return;
    const size = [T, h, w], product = { values: block.product, size, covered };
    costs.said.textContent += "Rank correlation with the mean over the frames of the product: "
      + `${alike(map, product)}; of Grad-CAM: ${alike(map, { ...product, values: block.cam })}.`;
  }

  return function draw() {
    const other = view.beside !== view.network ? view.beside : (view.network + 1) % networks.length;
    const block = blockOf(record, state), moment = view.moment === "before" ? "before" : "now";
    const { blocks } = networks[other].before, same = blocks.filter((b) => b.stage === block.stage);
    const twin = same.find((b) => b.block === block.block) ?? same.at(-1) ?? blocks.at(-1);
    const part = (b) => numbersOf(b, ["product"], view.amount === "rest");
    const name = view.amount === "rest" ? "distance from rest" : "product";
    const tight = view.amount === "length";
    const of = (i, { size, covered }, at) => ({ size, covered, tight,
      name: `${networks[i].name}: ${name}`, values: part(state.answers[i][moment].blocks[at]) });
    if (networks.length > 1) {
      others.set(other);
      others.labels.forEach((label, i) => { label.firstChild.disabled = i === view.network; });
      compare(twins, [of(view.network, block, view.block), of(other, twin, blocks.indexOf(twin))]);
    }
    const { size, covered } = block;
    compare(cams, [{ size, covered, tight, values: part(block), name },
      { size, covered, values: block.cam, name: "Grad-CAM" }],
    "Where they part, a long modulator is not what speaks for the class."
      + (state.changed ? " Both are of the recorded clip, without your changes." : ""));
    drawCosts();
  };
}
