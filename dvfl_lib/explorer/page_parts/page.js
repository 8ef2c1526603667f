// The rows of the page, its controls, and its beginning.
function move(dy, dx) {
  const [, h, w] = block().size;
  state.y = Math.max(0, Math.min(h - 1, state.y + dy));
  state.x = Math.max(0, Math.min(w - 1, state.x + dx));
  draw();
}
// After another block was chosen: the token stays at its place in the picture.
function follow(old) {
  const b = block();
  const at = (n, i) => Math.min(b.size[i] - 1, Math.floor((n + 0.5) * old.covered[i - 1] / old.size[i] * b.size[i] / b.covered[i - 1]));
  [state.y, state.x] = [at(state.y, 1), at(state.x, 2)];
}
function rowA() {
  const b = block(), [T, h, w] = b.size, n = h * w, at = state.t * n, row = $("row-a");
  const input = place("map-input", row), ctx = input.getContext("2d");
  drawFrame(ctx); mark(ctx);
  say(input, `input, frame ${state.t + 1}`, `input frame ${state.t + 1} of ${T}, token at row ${state.y + 1}, column ${state.x + 1}`);
  const parts = [["space", "|spatial modulator|"], ["time", "|temporal modulator|"], ["product", "|product|"], ["cam", "Grad-CAM"]];
  for (const [key, text] of parts) {
    const range = scaled(get(b[key]), at, n, false);
    const canvas = map("map-" + key, row, text, b, get(b[key]), at, range, "cividis");
    bar(canvas, "bar-" + key, range, "cividis", text);
  }
  $("cam-told").textContent = `Product and Grad-CAM: rank correlation over all frames ${spearman(b.product, b.cam, b.size, b.size)}. Where they part, a long modulator is not what speaks for the class.`;
}
function levels(rowId, prefix, what, p) {
  const b = block(), [T, h, w] = b.size, n = h * w, row = $(rowId), signed = $("signed").checked;
  let v = get(p);
  if (!signed) v = v.map(Math.abs);
  // One scale for all levels: of this frame of each, or of all frames.
  const now = () => Float32Array.from({ length: b.levels * n }, (_, i) => v[(Math.floor(i / n) * T + state.t) * n + i % n]);
  const high = ($("shared").checked ? scaled(v, 0, n, true) : ends(now(), true))[1];
  const range = [signed ? -high : 0, high], lut = signed ? "PuOr_r" : "cividis";
  for (let l = 0; l < b.levels; l++) {
    const text = `${what}, ${l === b.levels - 1 ? "global" : "level " + (l + 1)}`;
    map(`${prefix}-${l + 1}`, row, text, b, v, (l * T + state.t) * n, range, lut);
  }
  for (let l = b.levels + 1; $(`${prefix}-${l}`); l++) $(`${prefix}-${l}`).closest("figure").remove();
  bar($(`${prefix}-${b.levels}`), "bar-" + prefix, range, lut, what);
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
    const line = made("div", undefined, "drawn");
    line.append(c); box.append(made("p", words), line); row.append(box);
    bar(c, `bar-reach-${i}`, [0, 1], "cividis", "root of the derivative, of the largest");
  });
}
// The block chosen beside the other network's last block of the same stage.
function compare() {
  if (told.networks.length < 2) return;
  const other = told.networks[+$("compare").value], a = block(), b = lastOf(other, a.stage);
  for (const [n, q, key] of [[net(), a, "one"], [other, b, "other"]]) {
    const size = q.size[1] * q.size[2], at = Math.min(state.t, q.size[0] - 1) * size, range = scaled(get(q.product), at, size, false);
    const canvas = map(`compare-${key}`, $("row-compare"), `${n.name}: |product|, stage ${q.stage}, block ${q.block}`, q, get(q.product), at, range, "cividis");
    bar(canvas, `bar-${key}`, range, "cividis", n.name);
  }
  $("rank").textContent = `Rank correlation of the two (Spearman, all frames): ${alike(a, b)}`;
}
const temperature = () => 0.5 * 40 ** +$("temperature").value;
// Tables of the same classes side by side. answers: [title, probabilities] each.
function tables(parent, answers) {
  const shown = classesShown(answers.map(([, p]) => p));
  parent.replaceChildren();
  for (const [title, p] of answers) {
    const t = made("table"), body = made("tbody");
    t.append(made("caption", title), body);
    for (const k of shown) {
      const tr = made("tr"), td = made("td"), fill = made("div");
      fill.style.width = `${160 * p[k]}px`;
      td.append(fill, `${(100 * p[k]).toFixed(1)} %`);
      tr.append(made("th", told.classes[k] + (told.classes[k] === told.label ? " (true)" : "")), td);
      body.append(tr);
    }
    parent.append(t);
  }
  const count = told.classes.length;
  if (shown.length < count) parent.append(made("p", `${shown.length} of ${count} classes: the likeliest of the first table and of each other${told.label ? ", and the true one" : ""}.`));
}
function chances() {
  const T = temperature(), other = told.networks[+$("compare").value];
  $("temperature-told").textContent = T.toFixed(1);
  $("temperature").setAttribute("aria-valuetext", T.toFixed(1));
  tables($("row-bars"), [...new Set([net(), other])].map((n) => [`${n.name}, temperature ${T.toFixed(1)}`, softmax(n.logits, T)]));
  const o = net().outcomes[+$("intervention").value], answers = [["before", softmax(net().logits, 1)]];
  if (o) answers.push([`after: ${o.name}`, softmax(o.logits, 1)]);
  tables($("row-outcome"), answers);
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
  select.replaceChildren(...names.map((text, i) => { const o = made("option", text); o.value = i; return o; }));
  select.value = chosen;
}
// Another network: the same block, else the last one of its stage.
function pickNetwork(old) {
  const blocks = net().blocks;
  const same = blocks.find((b) => b.stage === old.stage && b.block === old.block) || lastOf(net(), old.stage);
  state.place = blocks.indexOf(same);
  fill($("place"), blocks.map((b) => `stage ${b.stage}, block ${b.block} (${b.size[1]} x ${b.size[2]} tokens)`), state.place);
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
  $("network").addEventListener("change", (e) => { const old = block(); state.net = +e.target.value; pickNetwork(old); follow(old); draw(); chances(); });
  $("place").addEventListener("change", (e) => { const old = block(); state.place = +e.target.value; follow(old); draw(); });
  $("compare").addEventListener("change", () => { compare(); chances(); });
  $("temperature").addEventListener("input", chances);
  $("intervention").addEventListener("change", chances);
  $("play").addEventListener("click", play);
  document.addEventListener("keydown", (e) => { if (e.key === " " && e.target === document.body) { e.preventDefault(); play(); } });
  for (const [id, dy, dx] of [["left", 0, -1], ["right", 0, 1], ["up", -1, 0], ["down", 1, 0]]) $(id).addEventListener("click", () => move(dy, dx));
}
async function begin() {
  if (typeof DecompressionStream === "undefined") throw new Error("this browser is too old for the page (it has no DecompressionStream); please update it");
  await unpack().catch((e) => { throw new Error(`the page is damaged (${e.message}); write it again`); });
  const names = told.networks.map((n) => n.name);
  if (names.length < 2) {  // nothing to put beside
    $("compare-title").textContent = "What the network says";
    for (const id of ["compare-label", "rank", "row-compare"]) $(id).hidden = true;
  }
  fill($("network"), names); fill($("compare"), names, names.length - 1);
  pickNetwork(block()); listen();
  state.y = block().size[1] >> 1; state.x = block().size[2] >> 1;
  draw(); chances();
  document.body.dataset.ready = "1";
}
begin().catch((e) => {
  document.body.classList.add("failed");  // controls that do nothing would mislead
  $("message").textContent = "Nothing can be shown: " + e.message;
});
