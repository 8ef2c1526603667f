// VFLNet's forward pass in plain JavaScript, to be read beside modulation.py, layers.py and
// vfl_net.py: the same names in the same order, weights under their state-dict keys. It runs in
// a worker by itself, so that the page never waits for it.
//
// A tensor is a Float32Array with its channels last, (T, H, W, C); its size [T, H, W] goes beside
// it. So the channels of a token lie side by side for the innermost loops, a convolution of kernel
// size 1 is a linear layer, and one step in time is one step of H * W tokens.

const MEAN = [0.485, 0.456, 0.406], STD = [0.229, 0.224, 0.225]; // as in video/transforms.py
let config, tensors, clip; // the one network and clip that this worker holds

// ---- layers.py, and what PyTorch brings ----

/** out (N, cout) += x (N, cin) times weight (cout, cin). Nearly all of the time goes here: two
 * tokens meet four outputs, so that six numbers read are good for eight products. */
function product(x, weight, out, cin, cout) {
  const rows = x.length / cin, high = rows - (rows % 2), wide = cout - (cout % 4);
  for (let o = 0; o < wide; o += 4) for (let n = 0; n < high; n += 2) {
    const w0 = o * cin, w1 = w0 + cin, w2 = w1 + cin, w3 = w2 + cin, x0 = n * cin, x1 = x0 + cin;
    let a0 = 0, a1 = 0, a2 = 0, a3 = 0, b0 = 0, b1 = 0, b2 = 0, b3 = 0;
    for (let c = 0; c < cin; c++) {
      const p = weight[w0 + c], q = weight[w1 + c], r = weight[w2 + c], s = weight[w3 + c];
      const a = x[x0 + c], b = x[x1 + c];
      a0 += a * p; a1 += a * q; a2 += a * r; a3 += a * s;
      b0 += b * p; b1 += b * q; b2 += b * r; b3 += b * s;
    }
    const to = n * cout + o, below = to + cout;
    out[to] += a0; out[to + 1] += a1; out[to + 2] += a2; out[to + 3] += a3;
    out[below] += b0; out[below + 1] += b1; out[below + 2] += b2; out[below + 3] += b3;
  }
  for (let n = 0; n < rows; n++) for (let o = n < high ? wide : 0; o < cout; o++) { // the rest
    let sum = 0;
    for (let c = 0; c < cin; c++) sum += x[n * cin + c] * weight[o * cin + c];
    out[n * cout + o] += sum;
  }
}

/** (N, C_in) -> (N, C_out); with `from` and `to` these outputs only, counted from 0. */
function linear(x, name, from = 0, to = tensors[`${name}.bias`].length) {
  const weight = tensors[`${name}.weight`], bias = tensors[`${name}.bias`];
  const cin = weight.length / bias.length, cout = to - from;
  const out = new Float32Array((x.length / cin) * cout);
  for (let at = 0; at < out.length; at += cout) out.set(bias.subarray(from, to), at);
  product(x, weight.subarray(from * cin, to * cin), out, cin, cout);
  return out;
}

/** LayerNorm over the channels: (N, C) -> (N, C). */
function norm(x, name) {
  const weight = tensors[`${name}.weight`], bias = tensors[`${name}.bias`], C = weight.length;
  const out = new Float32Array(x.length);
  for (let at = 0; at < x.length; at += C) {
    let mean = 0, square = 0;
    for (let c = 0; c < C; c++) mean += x[at + c] / C;
    for (let c = 0; c < C; c++) square += (x[at + c] - mean) ** 2 / C;
    const scale = 1 / Math.sqrt(square + 1e-5); // PyTorch's eps
    for (let c = 0; c < C; c++) out[at + c] = (x[at + c] - mean) * scale * weight[c] + bias[c];
  }
  return out;
}

/** The exact GELU, x * Phi(x), in place; erf is within 1.5e-7 (Abramowitz, Stegun 7.1.26). */
function gelu(x) {
  for (let i = 0; i < x.length; i++) {
    const z = Math.abs(x[i]) * Math.SQRT1_2, t = 1 / (1 + 0.3275911 * z);
    const sum = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741
      + t * (-1.453152027 + t * 1.061405429))));
    const tail = 0.5 * sum * Math.exp(-z * z); // Phi(-|x|)
    x[i] *= x[i] < 0 ? tail : 1 - tail;
  }
  return x;
}

/** Mean over the middle one of three dimensions: (outer, n, inner) -> (outer, inner). */
function mean(x, outer, n, inner) {
  const out = new Float32Array(outer * inner);
  for (let i = 0; i < outer * n; i++) {
    const to = Math.floor(i / n) * inner;
    for (let c = 0; c < inner; c++) out[to + c] += x[i * inner + c] / n;
  }
  return out;
}

const times = (x, y) => x.map((value, i) => value * y[i]);
const plus = (x, y) => x.map((value, i) => value + y[i]);

/** Merges patch x patch tokens into one; a remainder is cut off. Returns tokens and size. */
function patchEmbed(x, [T, H, W], name, patch) {
  const h = Math.floor(H / patch), w = Math.floor(W / patch), C = x.length / (T * H * W);
  const patches = new Float32Array(T * h * w * C * patch ** 2); // (T, h, w, C * patch * patch)
  for (let n = 0, to = 0; n < T * h * w; n++) {
    const top = Math.floor(n / (h * w)) * H + (Math.floor(n / w) % h) * patch;
    const left = (n % w) * patch;
    for (let c = 0; c < C; c++) for (let i = 0; i < patch; i++) for (let j = 0; j < patch; j++) {
      patches[to++] = x[((top + i) * W + left + j) * C + c];
    }
  }
  return [norm(linear(patches, `${name}.proj`), `${name}.norm`), [T, h, w]];
}

const mlp = (x, name) => linear(gelu(linear(x, `${name}.fc1`)), `${name}.fc2`);

// ---- modulation.py ----

/** k x k tokens of the own frame, each channel by itself, zero-padded: (T, H, W, C), the same. */
function spatialConv(x, [T, H, W], weight) {
  const C = x.length / (T * H * W), k = Math.sqrt(weight.length / C), half = (k - 1) / 2;
  const out = new Float32Array(x.length), steps = transposed(weight, k * k); // (k, k, C)
  for (let row = 0; row < T * H; row++) for (let i = 0; i < k * k; i++) {
    const down = Math.floor(i / k) - half, right = (i % k) - half, y = (row % H) + down;
    if (y < 0 || y >= H) continue;
    for (let x0 = Math.max(0, -right); x0 < Math.min(W, W - right); x0++) {
      const to = (row * W + x0) * C, from = to + (down * W + right) * C;
      for (let c = 0; c < C; c++) out[to + c] += x[from + c] * steps[i * C + c];
    }
  }
  return out;
}

/** The own pixel in k frames, all channels to all, zero-padded: a product for each of the k. */
function temporalConv(x, [T, H, W], weight) {
  const frame = x.length / T, C = frame / (H * W), k = weight.length / C ** 2;
  const out = new Float32Array(x.length), steps = transposed(weight, k); // (k, C_out, C_in)
  for (let i = 0; i < k; i++) {
    const later = i - (k - 1) / 2, first = Math.max(0, -later), end = Math.min(T, T - later);
    if (first >= end) continue;
    const from = x.subarray((first + later) * frame, (end + later) * frame);
    const step = steps.subarray(i * C * C, (i + 1) * C * C);
    product(from, step, out.subarray(first * frame, end * frame), C, C);
  }
  return out;
}

/** sum_l gates[l] * contexts[l]; the last context is a mean over n, of (outer, n, inner) tokens. */
function aggregate(contexts, gates, [outer, n, inner]) {
  const total = new Float32Array(contexts[0].length), levels = contexts.length;
  const tokens = outer * n * inner, C = total.length / tokens;
  contexts.forEach((z, level) => {
    for (let i = 0; i < tokens; i++) {
      const whole = Math.floor(i / (n * inner)) * inner + (i % inner);
      const gate = gates[i * levels + level], from = (level === levels - 1 ? whole : i) * C;
      for (let c = 0; c < C; c++) total[i * C + c] += gate * z[from + c];
    }
  });
  return total;
}

/** The contexts of all levels, each read off the one before it, summed by their gates. */
function summarise(layer, name, z, gates, size, over) {
  const contexts = [], [outer, n, inner] = over;
  for (let level = 0; level < config.focal_levels; level++) {
    z = gelu(layer(z, size, tensors[`${name}.${level}.0.weight`]));
    contexts.push(z);
  }
  contexts.push(gelu(mean(z, outer, n, (inner * z.length) / (outer * n * inner))));
  return [aggregate(contexts, gates, over), contexts];
}

/** What each frame says about itself. Returns (T, H, W, C) and the contexts. */
function spatialModulator(context, gates, size, name) {
  const [T, H, W] = size, over = [T, H * W, 1], layers = `${name}.focal_layers`;
  const [sum, contexts] = summarise(spatialConv, layers, context, gates, size, over);
  return [linear(sum, `${name}.h`), contexts];
}

/** What each pixel says about its own past and future. Returns (T, H, W, C) and the contexts. */
function temporalModulator(context, gates, size, name) {
  const [T, H, W] = size, over = [1, T, H * W], layers = `${name}.focal_layers_temporal`;
  const [sum, contexts] = summarise(temporalConv, layers, context, gates, size, over);
  return [linear(sum, `${name}.h_temporal`), contexts];
}

/** q * (spatial modulator) * (temporal modulator). Returns (T, H, W, C) and the block's maps;
 * `off(part, level)` tells what is switched off. */
function modulation(x, size, name, off) {
  const levels = config.focal_levels + 1, C = tensors[`${name}.h.bias`].length;
  const q = linear(x, `${name}.f`, 0, C);
  const context = linear(x, `${name}.f`, C, 2 * C), gates = linear(x, `${name}.f`, 2 * C);
  const contextT = linear(x, `${name}.f_temporal`, 0, C);
  const gatesT = linear(x, `${name}.f_temporal`, C);
  const closed = (part) => (gate, i) => (off(part, (i % levels) + 1) ? 0 : gate);
  const g = { space: gates.map(closed("space")), time: gatesT.map(closed("time")) };
  const [mSpace, zSpace] = spatialModulator(context, g.space, size, name);
  const [mTime, zTime] = temporalModulator(contextT, g.time, size, name);
  if (off("space", 0)) mSpace.fill(1);
  if (off("time", 0)) mTime.fill(1);
  const both = times(mSpace, mTime), told = (part, rest) => lengths(part, C, rest);
  const maps = {
    size, channels: C, levels,
    q: told(q), space: told(mSpace), time: told(mTime), product: told(both),
    rest: { space: told(mSpace, 1), time: told(mTime, 1), product: told(both, 1) },
    gates: { space: transposed(g.space, levels), time: transposed(g.time, levels) },
    contexts: { space: zSpace.map((z) => told(z)), time: zTime.map((z) => told(z)) },
  };
  return [linear(times(q, both), `${name}.proj`), maps];
}

/** Length of each token, or of what it differs from `rest`, over channels: (N, C) -> (N). */
function lengths(x, C, rest = 0) {
  return new Float32Array(x.length / C).map((_, n) => {
    let sum = 0;
    for (let c = 0; c < C; c++) sum += (x[n * C + c] - rest) ** 2;
    return Math.sqrt(sum);
  });
}

/** (rows, columns) -> (columns, rows). */
function transposed(x, columns) {
  const rows = x.length / columns;
  return x.map((_, i) => x[(i % rows) * columns + Math.floor(i / rows)]);
}

// ---- vfl_net.py ----

/** The frames in their new order, normalised, grey (which is then 0) painted over. */
function changedClip({ order, grey }) {
  const [, H, W] = clip.size, frame = H * W * 3, x = new Float32Array(order.length * frame);
  order.forEach((t, place) => {
    for (let i = 0; i < frame; i++) {
      x[place * frame + i] = (clip.frames[t * frame + i] / 255 - MEAN[i % 3]) / STD[i % 3];
    }
    for (const [at, top, left, bottom, right] of grey) {
      for (let y = top; y < Math.min(bottom, H) && (at === -1 || at === place); y++) {
        const row = place * frame + y * W * 3;
        x.fill(0, row + left * 3, row + Math.min(right, W) * 3);
      }
    }
  });
  return x;
}

/** x + modulation(norm(x)), then x + mlp(norm(x)). Returns (T, H, W, C) and the block's maps. */
function focalModulationBlock(x, size, name, off) {
  const [answer, maps] = modulation(norm(x, `${name}.norm1`), size, `${name}.modulation`, off);
  const y = plus(x, answer);
  return [off("block", 0) ? x : plus(y, mlp(norm(y, `${name}.norm2`), `${name}.mlp`)), maps];
}

/** MAPS of the clip under a change: {logits, blocks}. */
function forward(change) {
  const blocks = [];
  let side = config.patch_size; // of a token, in pixels
  let [x, size] = patchEmbed(
    changedClip(change), [change.order.length, ...clip.size.slice(1)], "patch_embed", side);
  config.depths.forEach((depth, i) => {
    for (let block = 1, maps; block <= depth; block++) {
      const off = (part, level) => change.off.some((o) => o.part === part && o.level === level
        && (o.stage === 0 || (o.stage === i + 1 && o.block === block)));
      [x, maps] = focalModulationBlock(x, size, `layers.${i}.blocks.${block - 1}`, off);
      blocks.push({ stage: i + 1, block, covered: [size[1] * side, size[2] * side], ...maps });
    }
    if (i === config.depths.length - 1) return;
    [x, size, side] = [...patchEmbed(x, size, `layers.${i}.downsample`, 2), 2 * side];
  });
  const [T, h, w] = size, features = norm(x, "norm");
  return { logits: linear(mean(features, 1, T * h * w, x.length / (T * h * w)), "head"), blocks };
}

// First comes {config, tensors, size, frames}; then {change}, answered by {maps, ms} or {trouble}.
self.onmessage = ({ data }) => {
  if (data.tensors) {
    ({ config, tensors, ...clip } = data);
    return;
  }
  try {
    const began = performance.now(), maps = forward(data.change);
    self.postMessage({ maps, ms: performance.now() - began });
  } catch (error) {
    self.postMessage({ trouble: `The network could not answer: ${error.message}.` });
  }
};
