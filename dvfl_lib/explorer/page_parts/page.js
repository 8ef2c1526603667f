"use strict";
(() => {
const $ = (id) => document.getElementById(id);
const told = JSON.parse($("told").textContent);
const state = { t: 0, net: 0, place: 0, y: 0, x: 0, timer: 0 };
let raw, frames;
const made = (tag, text, cls) => {
  const e = document.createElement(tag);
  if (text !== undefined) e.textContent = text;
  if (cls) e.className = cls;
  return e;
};
const numbers = new Map(), ranges = new WeakMap();
function get(p) {
  if (numbers.has(p)) return numbers.get(p);
  const n = p.shape.reduce((a, b) => a * b, 1);
  let v = p.kind === "u1" ? new Uint8Array(raw, p.at, n) : new Uint16Array(raw, p.at, n);
  if (p.kind === "u2") v = Float32Array.from(v, (q) => q * p.step + p.base);
  numbers.set(p, v);
  return v;
}
const net = () => told.networks[state.net];
const block = () => net().blocks[state.place];
const short = (v) => (v === 0 ? "0" : Number(v.toPrecision(3)).toString());
function ends(v, signed) {
  let low = Infinity, high = -Infinity;
  for (const a of v) { if (a < low) low = a; if (a > high) high = a; }
  if (!signed) low = Math.min(0, low);  // amounts are shown from zero up
  if (signed) { high = Math.max(Math.abs(low), Math.abs(high)); low = -high; }
  return [low, high];
}
function paint(ctx, v, at, h, w, [low, high], lut, ox, oy, scale) {
  const image = ctx.createImageData(w * scale, h * scale), c = get(told.luts[lut]);
  const k = high > low ? 255 / (high - low) : 0;
  for (let y = 0; y < h * scale; y++) for (let x = 0; x < w * scale; x++) {
    const a = v[at + Math.floor(y / scale) * w + Math.floor(x / scale)];
    const n = 3 * Math.max(0, Math.min(255, Math.round((a - low) * k)));
    const o = 4 * (y * w * scale + x);
    image.data[o] = c[n]; image.data[o + 1] = c[n + 1];
    image.data[o + 2] = c[n + 2]; image.data[o + 3] = 255;
  }
  ctx.putImageData(image, ox, oy);
}
const small = document.createElement("canvas");
function place(id, parent) {
  let canvas = $(id);
  if (canvas) return canvas;
  const figure = made("figure");
  canvas = made("canvas");
  canvas.id = id; canvas.width = canvas.height = 160; canvas.tabIndex = 0;
  canvas.setAttribute("role", "img");
  figure.append(made("figcaption"), canvas);
  parent.append(figure);
  canvas.addEventListener("click", (e) => {
    const r = canvas.getBoundingClientRect(), [, h, w] = block().size;
    state.y = Math.max(0, Math.min(h - 1, Math.floor((e.clientY - r.top) / r.height * h)));
    state.x = Math.max(0, Math.min(w - 1, Math.floor((e.clientX - r.left) / r.width * w)));
    draw();
  });
  canvas.addEventListener("keydown", (e) => {
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[e.key];
    if (step) { e.preventDefault(); move(...step); }
    if (e.key === " ") { e.preventDefault(); play(); }
  });
  return canvas;
}
function move(dy, dx) {
  const [, h, w] = block().size;
  state.y = Math.max(0, Math.min(h - 1, state.y + dy));
  state.x = Math.max(0, Math.min(w - 1, state.x + dx));
  draw();
}
function follow([, h, w]) {
  const [, H, W] = block().size;
  state.y = Math.floor((state.y + 0.5) * H / h); state.x = Math.floor((state.x + 0.5) * W / w);
}
function drawFrame(ctx) {
  const [, H, W] = told.frames.shape;
  small.width = W; small.height = H;
  const image = new ImageData(W, H), at = state.t * H * W * 3;
  for (let i = 0; i < H * W; i++) {
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = frames[at + 3 * i + c];
    image.data[4 * i + 3] = 255;
  }
  small.getContext("2d").putImageData(image, 0, 0);
  ctx.imageSmoothingEnabled = false;
  ctx.drawImage(small, 0, 0, 160, 160);
}
function mark(ctx, h, w) {
  const a = 160 / w, b = 160 / h;
  ctx.strokeStyle = "#fff"; ctx.lineWidth = 4; ctx.strokeRect(state.x * a + 1, state.y * b + 1, a - 2, b - 2);
  ctx.strokeStyle = "#d00"; ctx.lineWidth = 2; ctx.strokeRect(state.x * a + 1, state.y * b + 1, a - 2, b - 2);
}
function map(id, parent, name, v, at, size, range, lut, blend, marked = true) {
  const canvas = place(id, parent), ctx = canvas.getContext("2d"), [, h, w] = size;
  small.width = w; small.height = h;
  paint(small.getContext("2d"), v, at, h, w, range, lut, 0, 0, 1);
  ctx.imageSmoothingEnabled = false; ctx.globalAlpha = 1;
  ctx.drawImage(small, 0, 0, 160, 160);
  if (blend > 0) { ctx.globalAlpha = blend; drawFrame(ctx); ctx.globalAlpha = 1; }
  if (marked) mark(ctx, h, w);
  canvas.previousSibling.textContent = name;
  const here = marked ? `; ${short(v[at + state.y * w + state.x])} at row ${state.y + 1}, column ${state.x + 1}` : "";
  canvas.setAttribute("aria-label", `${name}, frame ${state.t + 1}, colours from ${short(range[0])} to ${short(range[1])}${here}`);
}
function bar(parent, key, range, lut, name, after) {
  let e = $(key);
  if (!e) { e = made("div", undefined, "bar"); e.id = key; }
  const c = get(told.luts[lut]), stops = [];
  for (let i = 255; i >= 0; i -= 15) stops.push(`rgb(${c[3 * i]},${c[3 * i + 1]},${c[3 * i + 2]})`);
  e.style.setProperty("--ramp", `linear-gradient(${stops.join(",")})`);
  const middle = (range[0] + range[1]) / 2;
  e.replaceChildren(made("span", short(range[1])), made("span", range[0] === -range[1] ? "0" : short(middle)), made("span", short(range[0])));
  e.title = name;
  if (after && after.nextSibling !== e) after.after(e); else if (!after) parent.append(e);
}
function scaled(v, at, n, signed) {
  if (!$("shared").checked) return ends(v.subarray(at, at + n), signed);
  const key = `${v.byteOffset} ${v.length} ${signed}`;
  if (!ranges.has(v.buffer)) ranges.set(v.buffer, new Map());
  const kept = ranges.get(v.buffer);
  if (!kept.has(key)) kept.set(key, ends(v, signed));
  return kept.get(key);
}
function rowA() {
  const b = block(), [T, h, w] = b.size, n = h * w, at = state.t * n, row = $("row-a");
  const input = place("map-input", row), ctx = input.getContext("2d");
  drawFrame(ctx); mark(ctx, h, w);
  input.previousSibling.textContent = "input frame";
  input.setAttribute("aria-label", `input frame ${state.t + 1} of ${T}, token at row ${state.y + 1}, column ${state.x + 1}`);
  const parts = [["space", "|spatial modulator|"], ["time", "|temporal modulator|"], ["product", "|product|"], ["cam", "Grad-CAM"]];
  for (const [key, name] of parts) {
    const range = scaled(get(b[key]), at, n, false);
    map("map-" + key, row, name, get(b[key]), at, b.size, range, "cividis", 1 - $("overlay").value);
    bar(row, "bar-" + key, range, "cividis", name, $("map-" + key).parentNode);
  }
}
function levels(rowId, prefix, what, p) {
  const b = block(), [T, h, w] = b.size, n = h * w, row = $(rowId), signed = $("signed").checked;
  let v = get(p);
  if (!signed) v = v.map(Math.abs);
  let high = 0;
  for (let l = 0; l < b.levels; l++) {
    const r = scaled(v.subarray(l * T * n, (l + 1) * T * n), state.t * n, n, true);
    high = Math.max(high, r[1]);
  }
  const range = [signed ? -high : 0, high], lut = signed ? "PuOr_r" : "cividis";
  for (let l = 0; l < b.levels; l++) {
    const name = `${what}, ${l === b.levels - 1 ? "global" : "level " + (l + 1)}`;
    map(`${prefix}-${l + 1}`, row, name, v, (l * T + state.t) * n, b.size, range, lut, 0);
  }
  for (let l = b.levels + 1; $(`${prefix}-${l}`); l++) $(`${prefix}-${l}`).parentNode.remove();
  bar(row, "bar-" + prefix, range, lut, what, $(`${prefix}-${b.levels}`).parentNode);
}
const inks = ["#0b63c5", "#b4470a", "#2a7d3f", "#7a3b9a", "#555"];
function plot(id, title, series) {
  let c = $(id);
  if (!c) { c = made("canvas"); c.id = id; c.width = 540; c.height = 240; c.setAttribute("role", "img"); $("row-lines").append(c); }
  const ctx = c.getContext("2d"), T = series[0][1].length;
  let [low, high] = ends(series.flatMap((s) => [...s[1]]), false);
  if (high === low) { high += 1; low -= 1; }
  const X = (t) => 50 + 370 * t / Math.max(1, T - 1), Y = (v) => 200 - 165 * (v - low) / (high - low);
  ctx.clearRect(0, 0, 540, 240); ctx.font = "12px system-ui, sans-serif"; ctx.fillStyle = "#333"; ctx.lineWidth = 1;
  ctx.fillText(title, 50, 18); ctx.fillText("frame", 215, 234);
  for (const v of [low, (low + high) / 2, high]) {
    ctx.fillText(short(v), 6, Y(v) + 4); ctx.strokeStyle = "#ddd";
    ctx.beginPath(); ctx.moveTo(50, Y(v)); ctx.lineTo(420, Y(v)); ctx.stroke();
  }
  const every = Math.ceil(T / 16);
  for (let t = 0; t < T; t += every) ctx.fillText(t + 1, X(t) - 3, 216);
  ctx.strokeStyle = "#999"; ctx.beginPath(); ctx.moveTo(X(state.t), 30); ctx.lineTo(X(state.t), 202); ctx.stroke();
  const labels = series.map((s, i) => [Y(s[1][T - 1]), i]).sort((a, b) => a[0] - b[0]);
  for (let i = 1; i < labels.length; i++) labels[i][0] = Math.max(labels[i][0], labels[i - 1][0] + 14);
  for (const [y, i] of labels) { ctx.fillStyle = inks[i % 5]; ctx.fillText(series[i][0], 428, y + 4); }
  series.forEach(([, v], i) => {
    ctx.strokeStyle = inks[i % 5]; ctx.lineWidth = 2; ctx.beginPath();
    v.forEach((a, t) => ctx.lineTo(X(t), Y(a))); ctx.stroke();
  });
  c.setAttribute("aria-label", title + ": " + series.map((s) => `${s[0]} ${short(s[1][state.t])}`).join(", ") + ` in frame ${state.t + 1}`);
}
function rowC() {
  const b = block(), [T, h, w] = b.size, n = h * w, k = state.y * w + state.x;
  const over = (v, l) => Array.from({ length: T }, (_, t) => v[(l * T + t) * n + k]);
  $("token-told").textContent = `Token: frame ${state.t + 1}, row ${state.y + 1}, column ${state.x + 1} of ${h} x ${w}.`;
  const g = get(b.gates.time);
  plot("lines", "temporal gates (signed)", Array.from({ length: b.levels }, (_, l) => [l === b.levels - 1 ? "global" : `level ${l + 1}`, over(g, l)]));
  plot("lines-modulators", "lengths of the modulators", [["spatial", over(get(b.space), 0)], ["temporal", over(get(b.time), 0)]]);
}
function reach() {
  const b = block(), row = $("row-reach"), r = b.reach;
  row.replaceChildren();
  if (!r || !r.tokens.length) { $("reach-told").textContent = "The record keeps no dependencies of this block."; return; }
  let best = 0, least = Infinity;
  r.tokens.forEach(([t, y, x], i) => {
    const gap = 1e6 * Math.abs(t - state.t) + (y - state.y) ** 2 + (x - state.x) ** 2;
    if (gap < least) { least = gap; best = i; }
  });
  const [t, y, x] = r.tokens[best], here = `frame ${t + 1}, row ${y + 1}, column ${x + 1}`;
  $("reach-told").textContent = (least === 0 ? `Shown for the chosen token (${here}).` : `Kept are some tokens only; shown is the nearest, at ${here}, not the chosen one.`) + " Each row: one small map for every frame; brighter depends more (root of the derivative's size, of the largest in its row).";
  r.sources.forEach(([stage, blk], i) => {
    const p = r.maps[i], [, T, h, w] = p.shape, v = get(p).subarray(best * T * h * w, (best + 1) * T * h * w);
    let count = 0; for (const a of v) if (a > 0) count++;
    const words = `${i ? `back to the input of stage ${stage}, block ${blk}` : `the block itself (stage ${stage}, block ${blk})`}: ${count} of ${v.length} tokens`;
    const box = made("div", undefined, "reach"), c = made("canvas"), scale = Math.max(1, Math.round(80 / w)), W = w * scale + 6;
    c.id = `reach-${i}`; c.width = T * W; c.height = h * scale; c.setAttribute("role", "img"); c.setAttribute("aria-label", words);
    for (let f = 0; f < T; f++) paint(c.getContext("2d"), v, f * h * w, h, w, [0, 255], "cividis", f * W, 0, scale);
    const line = made("div", undefined, "reach-line");
    line.append(c); box.append(made("p", words), line); row.append(box);
    bar(line, `bar-reach-${i}`, [0, 1], "cividis", "root of the derivative, of the largest");
    $(`bar-reach-${i}`).style.height = `${h * scale}px`;
  });
}
function lastOf(n, stage) {
  const found = n.blocks.filter((b) => b.stage === stage);
  return found.length ? found[found.length - 1] : n.blocks[n.blocks.length - 1];
}
function averaged(v, from, to) {
  const f = from.map((n, i) => n / to[i]);
  if (f.some((n) => n !== Math.floor(n))) return null;
  const out = new Float64Array(to[0] * to[1] * to[2]);
  for (let t = 0, i = 0; t < from[0]; t++) for (let y = 0; y < from[1]; y++) for (let x = 0; x < from[2]; x++, i++)
    out[(Math.floor(t / f[0]) * to[1] + Math.floor(y / f[1])) * to[2] + Math.floor(x / f[2])] += v[i] / (f[0] * f[1] * f[2]);
  return out;
}
function ranks(v) {
  const order = Array.from(v.keys()).sort((a, b) => v[a] - v[b]), out = new Float64Array(v.length);
  for (let i = 0; i < order.length;) {
    let j = i; while (j < order.length && v[order[j]] === v[order[i]]) j++;
    for (let k = i; k < j; k++) out[order[k]] = (i + j + 1) / 2;
    i = j;
  }
  return out;
}
const known = new Map();
function spearman(a, b) {
  const key = `${a.product.at} ${b.product.at}`;
  if (known.has(key)) return known.get(key);
  let p = get(a.product), q = get(b.product), from = a.size, to = b.size;
  if (p.length < q.length) { [p, q] = [q, p]; [from, to] = [to, from]; }
  p = averaged(p, from, to);
  let r = NaN;
  if (p) {
    p = ranks(p); q = ranks(q);
    const m = (p.length + 1) / 2; let pq = 0, pp = 0, qq = 0;
    for (let i = 0; i < p.length; i++) { pq += (p[i] - m) * (q[i] - m); pp += (p[i] - m) ** 2; qq += (q[i] - m) ** 2; }
    r = pq / Math.sqrt(pp * qq);
  }
  known.set(key, r);
  return r;
}
const temperature = () => 0.5 * 40 ** +$("temperature").value;
function softmax(z, T) {
  const top = Math.max(...z), e = z.map((a) => Math.exp((a - top) / T)), s = e.reduce((a, b) => a + b, 0);
  return e.map((a) => a / s);
}
function table(parent, title, p) {
  const t = made("table"), body = made("tbody");
  t.append(made("caption", title), body);
  p.forEach((a, k) => {
    const tr = made("tr"), td = made("td"), fill = made("div");
    fill.style.width = `${160 * a}px`;
    td.append(fill, `${(100 * a).toFixed(1)} %`);
    tr.append(made("th", told.classes[k] + (told.classes[k] === told.label ? " (true)" : "")), td);
    body.append(tr);
  });
  parent.append(t);
}
function compare() {
  const other = told.networks[+$("compare").value], a = lastOf(net(), block().stage), b = lastOf(other, block().stage);
  const row = $("row-compare");
  [[net(), a, "one"], [other, b, "other"]].forEach(([n, q, key]) => {
    const size = q.size[1] * q.size[2], at = Math.min(state.t, q.size[0] - 1) * size, range = scaled(get(q.product), at, size, false);
    map(`compare-${key}`, row, `${n.name}: |product|, stage ${q.stage}, block ${q.block}`, get(q.product), at, q.size, range, "cividis", 0, false);
    bar(row, `bar-${key}`, range, "cividis", n.name, $(`compare-${key}`).parentNode);
  });
  const r = spearman(a, b);
  $("rank").textContent = `Rank correlation of the two (Spearman, all frames): ${Number.isNaN(r) ? "none" : r.toFixed(2)}`;
}
function chances() {
  const T = temperature(), other = told.networks[+$("compare").value];
  $("temperature-told").textContent = T.toFixed(1);
  $("temperature").setAttribute("aria-valuetext", T.toFixed(1));
  $("row-bars").replaceChildren();
  for (const n of [net(), other]) table($("row-bars"), `${n.name}, temperature ${T.toFixed(1)}`, softmax(n.logits, T));
  $("row-outcome").replaceChildren();
  const o = net().outcomes[+$("intervention").value];
  table($("row-outcome"), "before", softmax(net().logits, 1));
  if (o) table($("row-outcome"), `after: ${o.name}`, softmax(o.logits, 1));
}
function draw() {
  const started = performance.now(), b = block(), [T, h, w] = b.size;
  state.t = Math.min(state.t, T - 1); state.y = Math.min(state.y, h - 1); state.x = Math.min(state.x, w - 1);
  for (const [id, v, n] of [["frame", state.t, T], ["row", state.y, h], ["column", state.x, w]]) {
    $(id).max = n - 1; $(id).value = v; $(id + "-told").textContent = `${v + 1} of ${n}`;
    $(id).setAttribute("aria-valuetext", `${v + 1} of ${n}`);
  }
  rowA(); levels("row-gates", "gate", "gate", b.gates.space); levels("row-contributions", "contribution", "contribution", b.contribution);
  rowC(); reach(); compare();
  document.body.dataset.took = performance.now() - started;
}
function fill(select, names, chosen = 0) {
  select.replaceChildren(...names.map((name, i) => { const o = made("option", name); o.value = i; return o; }));
  select.value = chosen;
}
function pickNetwork() {
  const old = state.place;
  fill($("place"), net().blocks.map((b) => `stage ${b.stage}, block ${b.block} (${b.size[1]} x ${b.size[2]} tokens)`), Math.min(old, net().blocks.length - 1));
  state.place = +$("place").value;
  fill($("intervention"), net().outcomes.map((o) => `${o.kind}: ${o.name}`));
  $("about").textContent = `${net().about || net().name}. ${told.label ? "True class: " + told.label + "." : ""} ${told.standin ? "Stand-in data: made up, for teaching." : ""}`;
}
function play() {
  if (state.timer) { clearInterval(state.timer); state.timer = 0; }
  else state.timer = setInterval(() => { state.t = (state.t + 1) % block().size[0]; draw(); }, 250);
  $("play").textContent = state.timer ? "Pause" : "Play";
}
function listen() {
  $("frame").addEventListener("input", (e) => { state.t = +e.target.value; draw(); });
  $("row").addEventListener("input", (e) => { state.y = +e.target.value; draw(); });
  $("column").addEventListener("input", (e) => { state.x = +e.target.value; draw(); });
  for (const id of ["shared", "signed", "overlay"]) $(id).addEventListener("input", draw);
  $("network").addEventListener("change", (e) => { const old = block().size; state.net = +e.target.value; pickNetwork(); follow(old); draw(); chances(); });
  $("place").addEventListener("change", (e) => { const old = block().size; state.place = +e.target.value; follow(old); draw(); });
  $("compare").addEventListener("change", () => { compare(); chances(); });
  $("temperature").addEventListener("input", chances);
  $("intervention").addEventListener("change", chances);
  $("play").addEventListener("click", play);
  document.addEventListener("keydown", (e) => { if (e.key === " " && e.target === document.body) { e.preventDefault(); play(); } });
  for (const [id, dy, dx] of [["left", 0, -1], ["right", 0, 1], ["up", -1, 0], ["down", 1, 0]]) $(id).addEventListener("click", () => move(dy, dx));
}
async function begin() {
  if (typeof DecompressionStream === "undefined") throw new Error("this browser is too old for the page (it has no DecompressionStream); please update it");
  const bytes = Uint8Array.from(atob($("blob").textContent), (c) => c.charCodeAt(0));
  raw = await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"))).arrayBuffer();
  frames = get(told.frames);
  const names = told.networks.map((n) => n.name);
  fill($("network"), names); fill($("compare"), names, names.length - 1);
  pickNetwork(); listen();
  state.y = block().size[1] >> 1; state.x = block().size[2] >> 1;
  draw(); chances();
  document.body.dataset.ready = "1";
}
begin().catch((e) => { $("message").textContent = "Nothing can be shown: " + e.message; });
})();
