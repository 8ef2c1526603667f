// Asking a network what it says under a change: in a worker of its own, or through the kernel.
import { NETWORK_SOURCE } from "./source.js";
import { filled } from "./record.js";

/** What a question's promise rejects with when a newer question, or close(), overtook it. */
export const STALE = Symbol("stale");

/** One network of the record, to be asked: {live, kernel, ask, measure, close}.
 * ask(change) -> Promise<{maps: MAPS, ms}>: while one question runs, only the newest of those
 * behind it is kept. measure(block, [t, y, x]) -> Promise<reach>: by the kernel alone. */
export function makeAsker(record, index, model) {
  const network = record.networks[index], { name } = network;
  const kernel = Boolean(network.kernel && model.send);
  let running = null, next = null, worker = null, line = null;

  const post = (content) => (line ??= kernelLine(model)).post({ network: name, ...content });
  const answer = async (change) => {
    if (network.weights) return (worker ??= startedWorker(record, network)).ask(change);
    if (!kernel) throw new Error(`Network "${name}" is shown from its record: it cannot be asked.`);
    const began = performance.now();
    const { maps } = await post({ kind: "ask", change });
    maps.logits = Float32Array.from(maps.logits);
    return { maps, ms: performance.now() - began };
  };
  const proceed = async () => {
    while (next && !running) {
      [running, next] = [next, null];
      const { change, resolve, reject } = running;
      await answer(change).then(resolve, reject);
      running = null;
    }
  };
  const ask = (change) => new Promise((resolve, reject) => {
    next?.reject(STALE);
    next = { change, resolve, reject };
    proceed();
  });
  const measure = async (block, token) => (await post({ kind: "measure", block, token })).reach;
  const close = () => {
    running?.reject(STALE);
    next?.reject(STALE);
    next = null;
    worker?.close();
    line?.close();
  };
  return { live: Boolean(network.weights) || kernel, kernel, ask, measure, close };
}

// One worker that holds one network. It answers one question before it is asked the next.
function startedWorker(record, { name, weights }) {
  const address = URL.createObjectURL(new Blob([NETWORK_SOURCE], { type: "text/javascript" }));
  const worker = new Worker(address);
  // Copied here: sent as it is, a part of the record would bring the whole of it along.
  worker.postMessage({ ...weights, size: record.size, frames: record.frames.slice() });
  const ask = (change) => new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => {
      if (data.trouble) reject(new Error(data.trouble));
      else resolve(data);
    };
    worker.onerror = (event) => reject(new Error(
      `This browser could not run network "${name}": ${event.message || "no reason given"}.`));
    worker.postMessage({ change });
  });
  const close = () => {
    worker.terminate();
    URL.revokeObjectURL(address);
  };
  return { ask, close };
}

// Questions to the kernel. Several explorers may hear its answers, each takes those to its own.
function kernelLine(model) {
  const waiting = new Map();
  const hear = (content, buffers) => {
    const question = waiting.get(content.id);
    if (!question) return;
    waiting.delete(content.id);
    if (content.kind === "trouble") question.reject(new Error(content.text));
    else question.resolve(filled(content, buffers[0]));
  };
  const post = (content) => new Promise((resolve, reject) => {
    const id = Math.random().toString(36);
    waiting.set(id, { resolve, reject });
    model.send({ ...content, id });
  });
  model.on("msg:custom", hear);
  return { post, close: () => model.off("msg:custom", hear) };
}
