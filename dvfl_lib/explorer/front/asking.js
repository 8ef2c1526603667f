// Asking a network what it says under a change: in a worker of its own, or through the kernel.
import { NETWORK_SOURCE } from "./source.js";
import { filled } from "./record.js";

/** What the promise of a question rejects with that a newer question, or close(), overtook. */
export const STALE = Symbol("stale");

/** {live, ask(change) -> Promise<{maps: MAPS, ms}>, close()} for one network of the record.
 * While one question runs, only the newest of those behind it is kept. */
export function makeAsker(record, index, model) {
  const network = record.networks[index];
  const live = Boolean(network.weights || (network.kernel && model.send));
  let line = null, running = null, next = null;

  // `found` is {maps, ms} or an Error; without an id it is about what runs.
  const answered = (found, id = running?.id) => {
    if (!running || id !== running.id) return;
    if (found instanceof Error) running.reject(found);
    else running.resolve(found);
    running = null;
    proceed();
  };
  const proceed = () => {
    if (running || !next) return;
    [running, next] = [next, null];
    try {
      line ??= network.weights
        ? workerLine(record, network, answered) : kernelLine(network, model, answered);
      line.send(running.id, running.change);
    } catch (error) {
      answered(error);
    }
  };
  const ask = (change) => new Promise((resolve, reject) => {
    if (!live) throw new Error(`Network "${network.name}" is shown from its record alone.`);
    next?.reject(STALE);
    // Several explorers may hear one kernel: a number of our own would not do as an id.
    next = { id: Math.random().toString(36), change, resolve, reject };
    proceed();
  });
  const close = () => {
    for (const question of [running, next]) question?.reject(STALE);
    running = next = null;
    line?.close();
    line = null;
  };
  return { live, ask, close };
}

function workerLine(record, network, answered) {
  const address = URL.createObjectURL(new Blob([NETWORK_SOURCE], { type: "text/javascript" }));
  const worker = new Worker(address);
  worker.onmessage = ({ data }) =>
    answered(data.trouble ? new Error(data.trouble) : { maps: data.maps, ms: data.ms }, data.id);
  worker.onerror = (event) => answered(new Error(
    `This browser could not start network "${network.name}": ${event.message || "no reason"}.`));
  // Copied here: sent as they are, the arrays would bring the whole record with them.
  const { config, tensors } = network.weights;
  worker.postMessage({ config, tensors, size: record.size, frames: record.frames.slice() });
  return {
    send: (id, change) => worker.postMessage({ id, change }),
    close: () => {
      worker.terminate();
      URL.revokeObjectURL(address);
    },
  };
}

function kernelLine(network, model, answered) {
  let began = 0;
  const hear = (content, buffers) => {
    if (content.kind === "trouble") answered(new Error(content.text), content.id);
    if (content.kind !== "answer") return;
    const maps = filled(content.maps, buffers[0]);
    maps.logits = Float32Array.from(maps.logits);
    answered({ maps, ms: performance.now() - began }, content.id);
  };
  model.on("msg:custom", hear);
  return {
    send: (id, change) => {
      began = performance.now();
      model.send({ kind: "ask", id, network: network.name, change });
    },
    close: () => model.off("msg:custom", hear),
  };
}
