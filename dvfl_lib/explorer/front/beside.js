// Maps beside each other: of two networks, of modulators and Grad-CAM, and what covering costs.
import { STALE } from "./asking.js";
import { numbersOf, rangeOf } from "./boxes.js";
import { makeMap, makeScale, once } from "./canvas.js";
import { button, choices, made, vector } from "./dom.js";
import {
  boxOf, followed, placeOf, rankCorrelation, short, softmax, top, twinOf,
} from "./record.js";

const EXPLAINED = "Rank correlation: 1 if both maps put all tokens in the same order, 0 if their "
  + "orders have nothing in common, −1 if one is the reverse of the other. Top tenth: the tenth "
  + "of the tokens of all frames with the largest numbers. Grad-CAM: which tokens speak for the "
  + "class that the network names, judged by derivatives.";

// T, h, w of a map, which may be one frame that holds for all.
const sizeOf = ({ values, block: { size: [, h, w] } }) => [values.length / h / w, h, w];

// How alike two maps are, in a number and in words.
function alike(a, b) {
  if (String(a.block.covered) !== String(b.block.covered)) {
    return "none, for the maps cover other pixels";
  }
  const { value, reason } = once(a.values, b.values, () => (
    rankCorrelation(a.values, sizeOf(a), b.values, sizeOf(b))));
  if (value === null) return `none, for ${reason}`;
  const size = Math.abs(value), words = size < 0.2 ? "hardly related" : `${
    size < 0.4 ? "weakly" : size < 0.7 ? "partly" : "strongly"} related`;
  return `${value.toFixed(2)} (${words}${value < -0.2 ? ", in opposite order" : ""})`;
}

// Whether a number is in the top tenth of its map.
const high = ({ values }, at) => values[at] > 0 && values[at] >= once(values, "top", () => (
  values.slice().sort()[Math.floor(0.9 * values.length)]));

/** Pairs of maps with their rank correlation, and the search for the token that decides. */
export function makeBeside(el, record, state) {
  const { view } = state, { networks } = record;
  const others = choices(state, "beside", "Beside which network",
    networks.map(({ name }, i) => [i, name]));
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
      const title = made("span"), map = makeMap(state, title), scale = makeScale();
      const svg = vector("svg", { class: "dvfl-differ",
        viewBox: `0 0 ${record.size[2]} ${record.size[1]}` });
      map.seen.append(svg);
      map.el.append(scale.el);
      return { ...map, title, scale, svg };
    }), row = made("div", "dvfl-pair", ...maps.map((map) => map.el));
    return { el: made("div", "dvfl-group-of", row, said, ...controls), maps, said };
  }

  // One map on a scale of its own, with some tokens of the frame outlined.
  function put({ title, show, scale, svg }, { values, block, name, tight }, signed, outlined) {
    const [T, h, w] = sizeOf({ values, block }), from = T > 1 ? view.frame * h * w : 0;
    const to = from + h * w, part = signed || !view.shared ? [from, to] : [];
    const range = rangeOf([{ both: [values] }], signed, tight, ...part);
    const lut = record.luts[signed ? "signed" : "amount"], { side } = block;
    title.textContent = name;
    show({ values: values.subarray(from, to), block, range, lut, words: name });
    scale.show(range, lut);
    svg.replaceChildren(...outlined.map((i) => vector("rect",
      { x: (i % w) * side, y: Math.floor(i / w) * side, width: side, height: side })));
  }
  function compare({ maps, said }, parts, after = "") {
    const [a, b] = parts, [, h, w] = a.block.size, tokens = [...Array(h * w).keys()];
    const fit = String([a.block.size, a.block.covered]) === String([b.block.size, b.block.covered]);
    parts.forEach((part, i) => put(maps[i], part, false, tokens.filter((token) => {
      const at = view.frame * h * w + token;
      return fit && high(part, at) && !high(parts[1 - i], at);
    })));
    said.textContent = `Rank correlation over all frames: ${alike(a, b)}. `
      + (fit ? "Outlined: in the top tenth of this map, but not of the other. " : "") + after;
  }

  const key = () => `${view.network} ${view.block} ${JSON.stringify(state.change)}`;
  function stop(why) {
    task = null;
    start.textContent = "Cover each token in turn";
    costs.said.textContent = why;
  }
  // Asks the network once per token of the map, which is then grey in all frames.
  async function cover() {
    const mine = task = { key: key() }, { change, asker, block } = state, [, h, w] = block.size;
    const ask = async (grey) => (await asker.ask({ ...change, grey })).maps;
    start.textContent = "Stop";
    try {
      const before = await ask(change.grey), target = followed(record, before);
      const share = ({ logits }) => 100 * softmax(logits, 1)[target];
      const result = { values: new Float32Array(h * w), target, done: 0 };
      found.set(mine.key, result);
      for (let i = 0; i < h * w; i++) {
        const { row, column } = placeOf(i, block.size);
        const after = await ask([...change.grey, [-1, ...boxOf(block, [row, column])]]);
        if (task !== mine || key() !== mine.key) break;
        result.values[i] = share(before) - share(after);
        result.done = i + 1;
        drawCosts();
      }
    } catch (error) {
      if (task === mine) stop(error === STALE ? "Stopped: the clip was changed." : error.message);
    }
    if (task === mine) stop("");
    drawCosts();
  }
  function drawCosts() {
    const { block, answer: { live } } = state, result = found.get(key());
    const [map] = costs.maps, { said } = costs, tokens = block.size[1] * block.size[2];
    start.disabled = !live;
    map.el.hidden = choose.hidden = !result;
    if (task && task.key !== key()) stop("");
    if (!result) {
      if (task) return;
      said.textContent = live ? `Each of the ${tokens} tokens of this block becomes grey in all `
        + "frames, one after the other, and the network is asked each time."
        : "This network cannot be asked here.";
      return;
    }
    const { values, target, done } = result, most = top(values);
    const { row, column } = placeOf(most, block.size);
    const cost = { values, block, name: "what covering costs" };
    put(map, cost, true, [most]);
    choose.onclick = () => state.set({ row, column });
    said.textContent = `${done} of ${tokens} tokens covered. In percentage points, what the `
      + `probability of "${record.classes[target]}" loses; most at row ${row + 1}, column `
      + `${column + 1}: ${short(values[most])}. A grey square that stands still is itself `
      + "something new to see: not every loss comes from what it covers. ";
    if (done < tokens) return;
    said.textContent += "Rank correlation with the mean over the frames of the product: "
      + `${alike(cost, { values: block.product, block })}; of Grad-CAM: `
      + `${alike(cost, { values: block.cam, block })}.`;
  }

  return function draw() {
    const { block } = state, moment = view.moment === "before" ? "before" : "now";
    const twin = twinOf(block, networks[view.beside].before.blocks);
    const rest = view.amount === "rest", name = rest ? "distance from rest" : "product";
    const part = (b) => numbersOf(b, ["product"], rest);
    const of = (i, shown) => ({ block: shown, tight: !rest, name: `${networks[i].name}: ${name}`,
      values: part(state.answers[i][moment].blocks[networks[i].before.blocks.indexOf(shown)]) });
    if (networks.length > 1) {
      others.draw();
      others.inputs.forEach((input, i) => { input.disabled = i === view.network; });
      compare(twins, [of(view.network, block), of(view.beside, twin)]);
    }
    compare(cams, [{ block, tight: !rest, values: part(block), name },
      { block, values: block.cam, name: "Grad-CAM" }],
    "Where they part, a long modulator is not what speaks for the class."
      + (state.changed ? " Both are of the recorded clip, without your changes." : ""));
    drawCosts();
  };
}
