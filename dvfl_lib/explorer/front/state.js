// What is shown and what is altered: one state that all panels draw from.
import { STALE } from "./asking.js";

const PACE = 350;  // milliseconds per frame while it plays

/** The change that changes nothing, of T frames. */
export function noChange(T) {
  return { order: [...Array(T).keys()], grey: [], off: [] };
}

const within = (value, count) => Math.max(0, Math.min(count - 1, Math.round(value) || 0));
const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

/** The state of one explorer; `askers` as makeAsker gives them, one per network.
 * subscribe(f): f gets a Set of names: keys of view, "change", "answers". */
export function makeState(record, askers) {
  const [T] = record.size, untouched = noChange(T), followers = new Set();
  const view = {
    network: 0, block: 0, frame: 0, row: 0, column: 0, amount: "length", shared: true, signed: true,
    overlay: 1, moment: "now", temperature: 1, beside: Math.min(1, record.networks.length - 1),
    level: null, everywhere: false, playing: false, tour: 0, theme: "auto", lit: [],
  };
  const answers = record.networks.map(({ before }, i) => (
    { before, now: before, live: askers[i].live, busy: false, ms: 0, trouble: "" }));
  let change = untouched, past = [], future = [], gesture = null, clock = 0;
  let spot = [0.5, 0.5].map((part, i) => part * record.size[i + 1]);  // the token's middle, pixels

  const blocks = (network = view.network) => record.networks[network].before.blocks;
  const tell = (names) => followers.forEach((f) => f(names));

  function set(patch) {
    const old = { ...view }, { stage, block: number } = blocks()[view.block];
    Object.assign(view, patch);
    view.network = within(view.network, record.networks.length);
    view.beside = within(view.beside, record.networks.length);
    if (view.network !== old.network && patch.block === undefined) {
      const all = blocks(), of = all.filter((b) => b.stage === stage);
      const like = of.find((b) => b.block === number) || of.at(-1) || all.at(-1);
      view.block = all.indexOf(like);  // the same place, or the nearest
    }
    view.block = within(view.block, blocks().length);
    view.frame = within(view.frame, T);
    const { size: [, h, w], covered, levels } = blocks()[view.block];
    const tall = covered[0] / h, wide = covered[1] / w;
    if ("row" in patch || "column" in patch) {
      spot = [(within(view.row, h) + 0.5) * tall, (within(view.column, w) + 0.5) * wide];
    }
    view.row = within(Math.floor(spot[0] / tall), h);
    view.column = within(Math.floor(spot[1] / wide), w);
    if (view.level > levels) view.level = null;
    view.overlay = Math.max(0, Math.min(1, view.overlay));
    view.temperature = Math.max(0.25, Math.min(16, view.temperature));
    if (change === untouched) view.moment = "now";
    if (view.playing !== old.playing) {
      clearInterval(clock);
      if (view.playing) clock = setInterval(() => set({ frame: (view.frame + 1) % T }), PACE);
    }
    const names = Object.keys(view).filter((key) => view[key] !== old[key]);
    if (names.length) tell(new Set(names));
  }

  function become(next) {
    change = same(next, untouched) ? untouched : next;  // so that "nothing" is one object
    set({});
    if (change === untouched) {
      answers.forEach((a) => Object.assign(a, { now: a.before, busy: false, trouble: "" }));
    } else askAll(change);
    tell(new Set(["change", "answers"]));
  }

  // The shown network first: it has the processor for itself.
  async function askAll(asked) {
    answers.forEach((a) => { if (a.live) a.busy = true; });
    const first = view.network;
    await ask(first, asked);
    if (asked === change) answers.forEach((_, i) => { if (i !== first) ask(i, asked); });
  }

  async function ask(index, asked) {
    const answer = answers[index];
    if (!answer.live) return;
    let found;
    try {
      const { maps, ms } = await askers[index].ask(asked);
      found = { now: maps, ms, trouble: "" };
    } catch (error) {
      // Another panel's question may have pushed this one out: it is asked once more.
      if (error === STALE) return asked === change ? ask(index, asked) : undefined;
      found = { trouble: error.message };
    }
    if (change === untouched) return;
    // While a drag goes on, an answer to its last but one step is shown, but is not the last.
    Object.assign(answer, found, { busy: asked !== change });
    tell(new Set(["answers"]));
  }

  /** Alters the change. Calls with the same `key` (an object of one drag) are one step. */
  function alter(patch, key = null) {
    const next = { ...change, ...patch };
    if (same(next, change)) return;
    const on = key !== null && key === gesture, back = on && same(next, past.at(-1));
    if (back) past.pop();  // a drag that is where it began is no step
    else if (!on) past.push(change);
    gesture = back ? null : key;
    future = [];
    become(next);
  }

  function step(from, to) {
    if (!from.length) return;
    to.push(change);
    gesture = null;
    become(from.pop());
  }

  set({});
  return {
    view, answers, askers, set, alter,
    get change() { return change; },
    get changed() { return change !== untouched; },
    get canUndo() { return past.length > 0; },
    get canRedo() { return future.length > 0; },
    undo: () => step(past, future),
    redo: () => step(future, past),
    restore: () => alter(untouched),
    subscribe(f) { followers.add(f); return () => followers.delete(f); },
    close() {
      clearInterval(clock);
      change = untouched;  // so that no question is asked once more
      askers.forEach((asker) => asker.close());
    },
  };
}
