// Drawing: maps over a frame's place, lines over the frames, scales.
const made = (tag, text, cls) => {
  const e = document.createElement(tag);
  if (text !== undefined) e.textContent = text;
  if (cls) e.className = cls;
  return e;
};
const small = document.createElement("canvas");
// A canvas has the shape of a frame.
function canvasSize() {
  const [, H, W] = told.frames.shape, scale = Math.min(160 / H, 280 / W);
  return [Math.max(1, Math.round(W * scale)), Math.max(1, Math.round(H * scale))];
}
// Pixels of the canvas, from its upper left corner, that a block's map covers.
function partOf(ctx, b) {
  const [, H, W] = told.frames.shape, [high, wide] = b.covered;
  return [ctx.canvas.width * wide / W, ctx.canvas.height * high / H];
}
function paint(ctx, v, at, h, w, [low, high], lut, ox, oy, scale) {
  const image = ctx.createImageData(w * scale, h * scale), c = get(told.luts[lut]);
  const k = 255 / (high - low);
  for (let y = 0; y < h * scale; y++) for (let x = 0; x < w * scale; x++) {
    const a = v[at + Math.floor(y / scale) * w + Math.floor(x / scale)];
    const n = 3 * Math.max(0, Math.min(255, Math.round((a - low) * k)));
    const o = 4 * (y * w * scale + x);
    image.data[o] = c[n]; image.data[o + 1] = c[n + 1];
    image.data[o + 2] = c[n + 2]; image.data[o + 3] = 255;
  }
  ctx.putImageData(image, ox, oy);
}
function place(id, parent) {
  let canvas = $(id);
  if (canvas) return canvas;
  const figure = made("figure"), line = made("div", undefined, "drawn"), caption = made("figcaption");
  canvas = made("canvas");
  canvas.id = id; canvas.tabIndex = 0;
  [canvas.width, canvas.height] = canvasSize();
  caption.style.width = `${Math.max(162, canvas.width)}px`;
  canvas.setAttribute("role", "img");
  line.append(canvas); figure.append(caption, line); parent.append(figure);
  canvas.addEventListener("click", (e) => {
    const [, h, w] = block().size, [wide, high] = partOf(canvas.getContext("2d"), block());
    const y = Math.floor(e.offsetY / canvas.clientHeight * canvas.height / high * h);
    const x = Math.floor(e.offsetX / canvas.clientWidth * canvas.width / wide * w);
    if (y >= 0 && y < h && x >= 0 && x < w) { state.y = y; state.x = x; draw(); }
  });
  canvas.addEventListener("keydown", (e) => {
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[e.key];
    if (step) { e.preventDefault(); move(...step); }
    if (e.key === " ") { e.preventDefault(); play(); }
  });
  return canvas;
}
function say(canvas, text, words) {
  canvas.closest("figure").firstChild.textContent = text;
  canvas.setAttribute("aria-label", words);
}
// The present frame, or only that part of it which a block's map covers.
function drawFrame(ctx, b) {
  const [, H, W] = told.frames.shape;
  small.width = W; small.height = H;
  const image = new ImageData(W, H), at = state.t * H * W * 3;
  for (let i = 0; i < H * W; i++) {
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = frames[at + 3 * i + c];
    image.data[4 * i + 3] = 255;
  }
  small.getContext("2d").putImageData(image, 0, 0);
  ctx.imageSmoothingEnabled = false;
  const [high, wide] = b ? b.covered : [H, W], [a, c] = partOf(ctx, { covered: [high, wide] });
  ctx.drawImage(small, 0, 0, wide, high, 0, 0, a, c);
}
// Frames the chosen token, wherever on the picture the block shown has it.
function mark(ctx) {
  const [, h, w] = block().size, [wide, high] = partOf(ctx, block()), a = wide / w, b = high / h;
  for (const [colour, width] of [["#fff", 4], ["#d00", 2]]) {
    ctx.strokeStyle = colour; ctx.lineWidth = width;
    ctx.strokeRect(state.x * a + 1, state.y * b + 1, a - 2, b - 2);
  }
}
// One frame of a map. b: its block; at: where the frame begins in v.
function map(id, parent, text, b, v, at, range, lut) {
  const canvas = place(id, parent), ctx = canvas.getContext("2d"), [, h, w] = b.size;
  small.width = w; small.height = h;
  paint(small.getContext("2d"), v, at, h, w, range, lut, 0, 0, 1);
  ctx.clearRect(0, 0, canvas.width, canvas.height);
  ctx.imageSmoothingEnabled = false; ctx.globalAlpha = 1;
  ctx.drawImage(small, 0, 0, ...partOf(ctx, b));
  const blend = 1 - $("overlay").value;
  if (blend > 0) { ctx.globalAlpha = blend; drawFrame(ctx, b); ctx.globalAlpha = 1; }
  mark(ctx);
  const here = b === block() ? `; ${short(v[at + state.y * w + state.x])} at row ${state.y + 1}, column ${state.x + 1}` : "";
  say(canvas, text, `${text}, frame ${state.t + 1}, colours from ${short(range[0])} to ${short(range[1])}${here}`);
  return canvas;
}
// The scale stands beside its canvas, in the same line.
function bar(canvas, key, range, lut, text) {
  let e = $(key);
  if (!e) { e = made("div", undefined, "bar"); e.id = key; }
  const c = get(told.luts[lut]), stops = [];
  for (let i = 255; i >= 0; i -= 15) stops.push(`rgb(${c[3 * i]},${c[3 * i + 1]},${c[3 * i + 2]})`);
  e.style.setProperty("--ramp", `linear-gradient(${stops.join(",")})`);
  const middle = (range[0] + range[1]) / 2;
  e.replaceChildren(made("span", short(range[1])), made("span", range[0] === -range[1] ? "0" : short(middle)), made("span", short(range[0])));
  e.title = text;
  if (canvas.nextSibling !== e) canvas.after(e);
  return e;
}
const inks = ["#0b63c5", "#b4470a", "#2a7d3f", "#7a3b9a", "#555"];
function plot(id, title, series) {
  let c = $(id);
  if (!c) { c = made("canvas"); c.id = id; c.width = 540; c.height = 240; c.setAttribute("role", "img"); $("row-lines").append(c); }
  const ctx = c.getContext("2d"), T = series[0][1].length;
  const [low, high] = ends(series.flatMap((s) => [...s[1]]), false);
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
    ctx.strokeStyle = ctx.fillStyle = inks[i % 5]; ctx.lineWidth = 2; ctx.beginPath();
    if (T === 1) { ctx.arc(X(0), Y(v[0]), 4, 0, 2 * Math.PI); ctx.fill(); return; }  // a line of one point is none
    v.forEach((a, t) => ctx.lineTo(X(t), Y(a))); ctx.stroke();
  });
  c.setAttribute("aria-label", title + ": " + series.map((s) => `${s[0]} ${short(s[1][state.t])}`).join(", ") + ` in frame ${state.t + 1}`);
}
