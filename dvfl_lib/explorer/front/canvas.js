// Maps, frames and scales. A pixel of a canvas is a token, or a pixel of the frame: the style
// sheet enlarges it without smoothing, so that it is sharp at every size and on every screen.
import { made } from "./dom.js";
import { short, tokenOf } from "./record.js";

const GREY = "rgb(124, 116, 104)";  // ImageNet's mean colour, which is 0 after normalisation
const kept = new WeakMap();  // what was computed from an array or a block, by name

/** make(), remembered for as long as the object `key` lives. */
export function once(key, name, make) {
  if (!kept.has(key)) kept.set(key, new Map());
  const found = kept.get(key);
  if (!found.has(name)) found.set(name, make());
  return found.get(name);
}

// Setting its size clears a canvas.
function sized(canvas, w, h) {
  if (canvas.width !== w || canvas.height !== h) Object.assign(canvas, { width: w, height: h });
  return canvas.getContext("2d");
}

// An image of w x h pixels; colour(i, c) is channel c of pixel i, alpha(i) how much covers.
function painted(context, w, h, colour, alpha = () => 255) {
  const image = context.createImageData(w, h), { data } = image;
  for (let i = 0; i < data.length; i++) data[i] = i % 4 < 3 ? colour(i >> 2, i % 4) : alpha(i >> 2);
  return image;
}

/** The frame at a place under the present change, with its grey rectangles; (H, W) pixels.
 * `recorded`: as the record has it. */
export function drawFrame(canvas, { record, change }, place, recorded = false) {
  const [, H, W] = record.size, context = sized(canvas, W, H);
  const number = recorded ? place : change.order[place], from = number * H * W * 3;
  const colour = (i, c) => record.frames[from + 3 * i + c];
  context.putImageData(once(record, number, () => painted(context, W, H, colour)), 0, 0);
  context.fillStyle = GREY;
  for (const [t, top, left, bottom, right] of recorded ? [] : change.grey) {
    if (t === -1 || t === place) context.fillRect(left, top, right - left, bottom - top);
  }
}

// A map as makeMap shows it; a token without a number is left open. With overlay < 1 the canvas
// `frame` shines through.
function drawMap(canvas, { values, block, range: [low, high], lut, overlay, frame }) {
  const through = overlay < 1, ground = through ? made("canvas") : canvas;
  const { size: [, h, w], covered: [H, W] } = block, below = sized(ground, w, h);
  const steps = 255 / (high - low);
  // Zero stands between two colours: rounding is not to choose now one, now the other.
  const step = (value) => Math.max(0, Math.min(255, Math.round((value - low) * steps + 1e-6)));
  const alpha = (i) => (Number.isNaN(values[i]) ? 0 : 255);
  below.putImageData(painted(below, w, h, (i, c) => lut[3 * step(values[i]) + c], alpha), 0, 0);
  if (!through) return;
  const context = sized(canvas, W, H);
  context.imageSmoothingEnabled = false;
  context.globalAlpha = 1;
  context.drawImage(ground, 0, 0, W, H);
  context.globalAlpha = 1 - overlay;
  context.drawImage(frame, 0, 0);  // what the map does not cover is cut off
}

/** Lays an element over the tokens around the chosen one, `reach` to each side, as the shown
 * block has them; its parent, .dvfl-seen, has the shape of a frame. */
export function lay(mark, { record, block, view }, reach = 0, token = view) {
  const sides = (at, i) => {
    const from = Math.max(0, at - reach), to = Math.min(block.size[i], at + reach + 1);
    return [from, to - from].map((n) => `${100 * n * block.side / record.size[i]}%`);
  };
  [mark.style.top, mark.style.height] = sides(token.row, 1);
  [mark.style.left, mark.style.width] = sides(token.column, 2);
}

// The one element of a class that a parent has; made where there is none yet.
const inside = (parent, cls) => (
  parent.querySelector(`.${cls}`) || parent.appendChild(made("span", cls)));

/** Frames the chosen token in a .dvfl-seen, white within dark: to be seen on every colour. */
export function markToken(seen, state, token = state.view) {
  lay(inside(seen, "dvfl-mark"), state, 0, token);
}

/** [row, column] of the token of a block under the pointer; the nearest where there is none. */
export function tokenUnder(event, seen, { size: [, H, W] }, block) {
  const box = seen.getBoundingClientRect();
  return tokenOf([(event.clientY - box.top) * H / box.height,
    (event.clientX - box.left) * W / box.width], block);
}

// The colours of a lut (256, 3), from left to right.
function ramp(lut) {
  const stops = Array.from({ length: 18 }, (_, i) => `rgb(${lut.slice(45 * i, 45 * i + 3)})`);
  return `linear-gradient(to right, ${stops})`;
}

/** A scale below its maps: show(range, lut) writes both ends, and zero in the middle. */
export function makeScale() {
  const numbers = [0, 1, 2].map(() => made("span"));
  const el = made("div", "dvfl-scale", made("i"), ...numbers);
  const show = ([low, high], lut) => {
    el.firstChild.style.background = once(lut, "ramp", () => ramp(lut));
    const told = [short(low), low < 0 ? "0" : "", short(high)];
    numbers.forEach((number, i) => { number.textContent = told[i]; });
  };
  return { el, show };
}

// One line beside the pointer, in the explorer of this canvas; without a text it goes away.
function tell(canvas, event, text = "") {
  const root = canvas.closest(".dvfl"), tip = inside(root, "dvfl-tip");
  tip.textContent = text;
  tip.hidden = !text;
  const box = root.getBoundingClientRect(), x = event.clientX - box.left;
  tip.style.top = `${event.clientY - box.top + 16}px`;
  tip.style.left = `${Math.min(x + 12, box.width - tip.offsetWidth - 4)}px`;
}

/** What an arrow key adds to row and column. */
export const ARROWS = {
  ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1],
};

/** A map with its title (an element) and its value at the chosen token. A click or an arrow key
 * chooses the token, the pointer reads any. show({values, range, lut, words, block, place, token,
 * frame, overlay}): the numbers of one frame of `block`, if not of the shown one, and of `place`
 * if not of the chosen one; `token` is marked, if not the chosen one. Without values: a canvas
 * that others have drawn the whole frame on. */
export function makeMap(state, title, cls = "") {
  const { record } = state, [, H, W] = record.size, value = made("output");
  const canvas = Object.assign(made("canvas"), { role: "img", tabIndex: -1 });
  const seen = made("div", "dvfl-seen", canvas);
  const el = made("figure", `dvfl-map ${cls}`, made("figcaption", "", title, value), seen);
  let at = null;  // what is shown
  seen.style.aspectRatio = `${W} / ${H}`;
  const read = ([row, column]) => {
    const number = at.values?.[row * at.block.size[2] + column];
    const told = Number.isNaN(number) ? ": not reached" : at.values ? `: ${short(number)}` : "";
    return `row ${row + 1}, column ${column + 1}${told}`;
  };
  const choose = ([row, column]) => (
    state.set({ row, column, frame: at.place ?? state.view.frame }));
  canvas.onclick = (event) => choose(tokenUnder(event, seen, record, state.block));
  canvas.onkeydown = (event) => {
    const step = ARROWS[event.key];
    if (!step) return;
    event.preventDefault();
    choose([state.view.row + step[0], state.view.column + step[1]]);
  };
  canvas.onpointermove = (event) => (
    tell(canvas, event, read(tokenUnder(event, seen, record, at.block))));
  canvas.onpointerleave = (event) => tell(canvas, event);
  const show = (next) => {
    at = { block: state.block, token: state.view, ...next };
    const { frame, row, column } = at.token, place = at.place ?? frame, mine = place === frame;
    const [tall, wide] = at.values ? at.block.covered : [H, W];
    if (at.values) drawMap(canvas, at);
    canvas.style.width = `${100 * wide / W}%`;
    canvas.style.height = `${100 * tall / H}%`;
    if (mine) markToken(seen, state, at.token);
    else seen.querySelector(".dvfl-mark")?.remove();
    const middle = [row, column].map((n) => (n + 0.5) * state.block.side);
    const told = mine ? read(tokenOf(middle, at.block)) : "";
    value.textContent = at.values ? told.split(": ")[1] : "";
    const scale = at.values ? `, colours from ${at.range.map(short).join(" to ")}` : "";
    canvas.ariaLabel = `${at.words}, frame ${place + 1}${told && `, ${told}`}${scale}`;
  };
  return { el, canvas, seen, show };
}
