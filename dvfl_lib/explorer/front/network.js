// VFLNet's forward pass in plain JavaScript, to be read beside modulation.py, layers.py and
// vfl_net.py: the same names in the same order, weights under their state-dict keys. It runs in
// a worker by itself, so that the page never waits for it.
//
// A tensor is a Float32Array with its channels last, (T, H, W, C); its size [T, H, W] goes beside
// it. So the channels of a token lie side by side for the innermost loops, a convolution of kernel
// size 1 is a linear layer, and one step in time is one step of H * W tokens.

const MEAN = [0.485, 0.456, 0.406], STD = [0.229, 0.224, 0.225]; // as in video/transforms.py
let config, tensors, clip; // the one network and clip that this worker holds

// ---- layers ----

/** out (N, cout) += x (N, cin) times weight (cout, cin). Nearly all of the time goes here: four
 * tokens meet four outputs, so that eight numbers read are good for sixteen products. */
function product(x, weight, out, cin, cout) {
  const rows = x.length / cin, high = rows - (rows % 4), wide = cout - (cout % 4);
  for (let o = 0; o < wide; o += 4) {
    const w = o * cin;
    for (let n = 0; n < high; n += 4) {
      let x0 = n * cin, x1 = x0 + cin, x2 = x1 + cin, x3 = x2 + cin;
      let a0 = 0, a1 = 0, a2 = 0, a3 = 0, b0 = 0, b1 = 0, b2 = 0, b3 = 0;
      let c0 = 0, c1 = 0, c2 = 0, c3 = 0, d0 = 0, d1 = 0, d2 = 0, d3 = 0;
      for (let w0 = w, w1 = w + cin, w2 = w1 + cin, w3 = w2 + cin; w0 < w + cin; w0++) {
        const p = weight[w0], q = weight[w1++], r = weight[w2++], s = weight[w3++];
        const a = x[x0++], b = x[x1++], c = x[x2++], d = x[x3++];
        a0 += a * p; a1 += a * q; a2 += a * r; a3 += a * s;
        b0 += b * p; b1 += b * q; b2 += b * r; b3 += b * s;
        c0 += c * p; c1 += c * q; c2 += c * r; c3 += c * s;
        d0 += d * p; d1 += d * q; d2 += d * r; d3 += d * s;
      }
      let at = n * cout + o;
      out[at] += a0; out[at + 1] += a1; out[at + 2] += a2; out[at + 3] += a3; at += cout;
      out[at] += b0; out[at + 1] += b1; out[at + 2] += b2; out[at + 3] += b3; at += cout;
      out[at] += c0; out[at + 1] += c1; out[at + 2] += c2; out[at + 3] += c3; at += cout;
      out[at] += d0; out[at + 1] += d1; out[at + 2] += d2; out[at + 3] += d3;
    }
  }
  for (let n = 0; n < rows; n++) { // what is left beside and below the fours
    for (let o = n < high ? wide : 0; o < cout; o++) {
      let sum = 0;
      for (let c = 0; c < cin; c++) sum += x[n * cin + c] * weight[o * cin + c];
      out[n * cout + o] += sum;
    }
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
  const row = patch * C, patches = new Float32Array(T * h * w * patch * row);
  for (let n = 0, to = 0; n < T * h * w; n++) {
    const t = Math.floor(n / (h * w)), top = (Math.floor(n / w) % h) * patch;
    for (let y = t * H + top; y < t * H + top + patch; y++, to += row) {
      const from = (y * W + (n % w) * patch) * C;
      patches.set(x.subarray(from, from + row), to);
    }
  }
  return [norm(linear(patches, `${name}.proj`), `${name}.norm`), [T, h, w]];
}

const mlp = (x, name) => linear(gelu(linear(x, `${name}.fc1`)), `${name}.fc2`);

// ---- modulation ----

/** k x k tokens of the own frame, each channel by itself, zero-padded: (T, H, W, C), the same. */
function spatialConv(x, [T, H, W], weight) {
  const C = x.length / (T * H * W), k = Math.sqrt(weight.length / C), half = (k - 1) / 2;
  const out = new Float32Array(x.length);
  for (let row = 0; row < T * H; row++) for (let i = 0; i < k * k; i++) {
    const down = Math.floor(i / k) - half, right = (i % k) - half, y = (row % H) + down;
    if (y < 0 || y >= H) continue;
    for (let x0 = Math.max(0, -right); x0 < Math.min(W, W - right); x0++) {
      const to = (row * W + x0) * C, from = to + (down * W + right) * C;
      for (let c = 0; c < C; c++) out[to + c] += x[from + c] * weight[i * C + c];
    }
  }
  return out;
}

/** The own pixel in k frames, all channels to all, zero-padded: a product for each of the k. */
function temporalConv(x, [T, H, W], weight) {
  const frame = x.length / T, C = frame / (H * W), k = weight.length / C ** 2;
  const out = new Float32Array(x.length);
  for (let i = 0; i < k; i++) {
    const later = i - (k - 1) / 2, first = Math.max(0, -later), end = Math.min(T, T - later);
    if (first >= end) continue;
    const from = x.subarray((first + later) * frame, (end + later) * frame);
    const part = weight.subarray(i * C * C, (i + 1) * C * C);
    product(from, part, out.subarray(first * frame, end * frame), C, C);
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

/** (..., rows, columns) -> (..., columns, rows): also gates with their levels first. */
function transposed(x, columns, rows = x.length / columns) {
  const n = rows * columns;
  return x.map((_, i) => x[i - (i % n) + (i % rows) * columns + Math.floor((i % n) / rows)]);
}

// ---- network ----

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
    [x, size] = patchEmbed(x, size, `layers.${i}.downsample`, 2);
    side *= 2;
  });
  const [T, h, w] = size, features = norm(x, "norm");
  return { logits: linear(mean(features, 1, T * h * w, x.length / (T * h * w)), "head"), blocks };
}

// ---- worker ----

/** PyTorch's weights with a convolution's input channels, (C_out, C_in, k, ...), last. */
function prepared(given) {
  const moved = (key, weight) => {
    const level = /focal_layers(_temporal)?\.(\d+)/.exec(key);
    const k = level && config.focal_window + config.focal_factor * level[2];
    if (level) return transposed(weight, level[1] ? k : k * k); // (k, C_out, C_in), (k, k, C)
    if (!/^patch_embed.proj.weight|downsample.proj.weight$/.test(key)) return weight;
    const side = key.startsWith("patch_embed") ? config.patch_size : 2;
    const cin = weight.length / given[key.replace("weight", "bias")].length / side ** 2;
    return transposed(weight, side ** 2, cin); // (C_out, side, side, C_in)
  };
  return Object.fromEntries(Object.entries(given).map(([key, w]) => [key, moved(key, w)]));
}

// First comes {config, tensors, size, frames}; then {change}, answered by {maps, ms} or {trouble}.
self.onmessage = ({ data }) => {
  if (data.tensors) {
    ({ config } = data);
    [clip, tensors] = [data, prepared(data.tensors)];
    return;
  }
  try {
    const began = performance.now(), maps = forward(data.change);
    self.postMessage({ maps, ms: performance.now() - began });
  } catch (error) {
    self.postMessage({ trouble: `The network could not answer: ${error.message}.` });
  }
};
