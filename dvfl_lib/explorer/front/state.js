// What is shown and what is altered: one state that all panels draw from.
import { STALE } from "./asking.js";
import { tokenOf, twinOf } from "./record.js";

const PACE = 350;  // milliseconds per frame while it plays

const within = (value, count) => Math.max(0, Math.min(count - 1, value));
const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

/** The state of one explorer; `askers` as makeAsker gives them, one per network.
 * tell(names) hears what is new: keys of view, "change", "answers". */
export function makeState(record, askers, tell) {
  const [T] = record.size;
  const untouched = { order: [...Array(T).keys()], grey: [], off: [] };
  const view = {
    network: 0, block: 0, frame: 0, row: 0, column: 0, amount: "length", shared: true, signed: true,
    overlay: 1, moment: "now", temperature: 1, beside: 0, level: null, everywhere: false,
    greyAll: false, playing: false, tour: 0, theme: "auto",
  };
  const answers = record.networks.map(({ before }, i) => (
    { before, now: before, live: askers[i].live, busy: false, ms: 0, trouble: "" }));
  let change = untouched, past = [], future = [], gesture = null, clock = 0;
  let spot = record.size.slice(1).map((pixels) => pixels / 2);  // the token's middle

  const blocks = () => record.networks[view.network].before.blocks;

  function set(patch) {
    const old = { ...view }, shown = blocks()[view.block];
    Object.assign(view, patch);
    if (view.network !== old.network) view.block = blocks().indexOf(twinOf(shown, blocks()));
    if (view.beside === view.network) view.beside = (view.network + 1) % record.networks.length;
    view.block = within(view.block, blocks().length);
    view.frame = within(view.frame, T);
    const block = blocks()[view.block];
    if ("row" in patch || "column" in patch) {
      spot = [view.row, view.column].map((n, i) => (
        (within(n, block.size[i + 1]) + 0.5) * block.side));
    }
    [view.row, view.column] = tokenOf(spot, block);
    if (view.level > block.levels) view.level = null;
    if (change === untouched) view.moment = "now";
    if (view.playing !== old.playing) {
      clearInterval(clock);
      if (view.playing) clock = setInterval(() => set({ frame: (view.frame + 1) % T }), PACE);
    }
    const names = Object.keys(view).filter((key) => view[key] !== old[key]);
    if (names.length) tell(names);
  }

  function become(next) {
    change = same(next, untouched) ? untouched : next;  // so that "nothing" is one object
    set({});
    if (change === untouched) {
      answers.forEach((a) => Object.assign(a, { now: a.before, busy: false, trouble: "" }));
    } else askAll(change);
    tell(["change", "answers"]);
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
    tell(["answers"]);
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
    record, view, answers, askers, set, alter,
    get block() { return blocks()[view.block]; },  // the shown one, as recorded
    get blocks() { return blocks(); },
    get answer() { return answers[view.network]; },
    get asker() { return askers[view.network]; },
    get change() { return change; },
    get changed() { return change !== untouched; },
    get canUndo() { return past.length > 0; },
    get canRedo() { return future.length > 0; },
    undo: () => step(past, future),
    redo: () => step(future, past),
    restore: () => alter(untouched),
    close() {
      clearInterval(clock);
      change = untouched;  // so that no question is asked once more
      askers.forEach((asker) => asker.close());
    },
  };
}
