// A guided tour: each step sets the scene, asks, and answers with this record's numbers.
import { likeliest } from "./controls.js";
import { button, made } from "./dom.js";
import { short, softmax } from "./record.js";

// One sentence for each network: what it said of the recorded clip, and what it says now.
function changedAnswers(record, state) {
  return record.networks.map((network, i) => {
    const { before, now, busy, live, trouble } = state.answers[i];
    const first = `${network.name}: ${likeliest(record, state, before).join(" ")}`;
    if (trouble || !live) return `${first}; it cannot be asked here`;
    return `${first} → ${busy ? "…" : likeliest(record, state, now).join(" ")}`;
  }).join("; ") + ".";
}

// Pixels per side of a token of a block.
const pixelsOf = (block) => Math.round(block.covered[0] / block.size[1]);
const shownBlocks = (state) => state.answers[state.view.network].before.blocks;
const shownBlock = (state) => shownBlocks(state)[state.view.block];

// The token of the highest value: {frame, row, column}. values: (T, h, w).
function highestToken(values, [, h, w]) {
  let at = 0;
  values.forEach((v, i) => { if (v > values[at]) at = i; });
  return { frame: Math.floor(at / (h * w)), row: Math.floor(at / w) % h, column: at % w };
}

// Chooses a token in the middle of those whose dependencies were measured.
function toMeasured(state, block) {
  state.set({ block });
  const tokens = shownBlock(state).reach?.tokens || [];
  if (!tokens.length) return;
  const [frame, row, column] = tokens[Math.floor(tokens.length * 0.6)];
  state.set({ frame, row, column });
}

// The class whose probability is followed: the true one, or else the one found.
function followedClass(record, state) {
  const known = record.classes.indexOf(record.label);
  const logits = state.answers[state.view.network].before.logits;
  return known >= 0 ? known : logits.indexOf(Math.max(...logits));
}

const TOUR = [
  {
    title: "What a token is", parts: ["film"],
    begin: (state) => state.set({ block: 0 }),
    text: (record, state) => {
      const [T, h, w] = shownBlocks(state)[0].size;
      const [, H, W] = record.size;
      return `A frame here has ${H} x ${W} pixels. The network cuts it into small squares. One `
        + `square is a token: at first there are ${h} x ${w} of them in each of the ${T} frames. `
        + "Click on a frame: the token under your pointer is framed, at its place in every frame "
        + "and in every map below.";
    },
    question: () => "How many pixels has a token of the first block, and one of the last?",
    act: (state) => state.set({ block: shownBlocks(state).length - 1 }),
    answer: (record, state) => {
      const blocks = shownBlocks(state), last = blocks[blocks.length - 1];
      const [near, far] = [pixelsOf(blocks[0]), pixelsOf(last)];
      return `${near} x ${near} and ${far} x ${far}. From stage to stage 2 x 2 tokens are merged `
        + `into one, so the last map, now chosen, has ${last.size[1]} x ${last.size[2]} tokens.`;
    },
  },
  {
    title: "Near, further, everywhere", parts: ["contexts-space"],
    begin: (state) => state.set({ block: 0, level: 1 }),
    text: () => "A token gathers what is around it, level by level. In space, level 1 looks at the "
      + "nearest tokens, level 2 looks through level 1 and so further, and the global level at "
      + "the whole frame. What a level finds is called its context.",
    question: () => "One context has the same value at every token of a frame. Which one, and why?",
    act: (state) => state.set({ level: shownBlock(state).levels }),
    answer: () => "The global one: it is the mean over the whole frame, so all tokens get the "
      + "same. How much of it a token takes is another matter. That is the gate's part.",
  },
  {
    title: "Gates have a sign", parts: ["gates-space"],
    begin: (state) => state.set({ block: 0, level: 1, signed: true }),
    text: () => "A gate says how much of a context a token takes. It is a plain number: no share "
      + "of a whole, and it may be negative. Orange is above zero, purple below, white is zero.",
    question: () => "Look at the first gate. Are all tokens on the same side of zero?",
    act: (state) => {
      const { size, gates } = shownBlock(state), n = size[0] * size[1] * size[2];
      state.set(highestToken(gates.space.subarray(0, n).map((g) => -g), size));
    },
    answer: (record, state) => {
      const { size, gates } = shownBlock(state), n = size[0] * size[1] * size[2];
      const first = gates.space.subarray(0, n), below = first.filter((g) => g < 0).length;
      return `${below} of the ${n} tokens of all frames are below zero. The lowest is now framed, `
        + `${short(Math.min(...first))}: there the context is not added but taken away.`;
    },
  },
  {
    title: "Time is a second branch", moving: true, parts: ["modulator-time"],
    begin: (state) => state.set({ level: null, everywhere: true }),
    text: () => "The second branch, below the first, does the same along time: a token looks at "
      + "its own place in the frames before and after. Both branches read the same tokens.",
    question: () => "Switch the temporal branch off in all blocks. Do the networks still know the "
      + "action?",
    act: (state) => state.alter({ off: [{ stage: 0, block: 0, part: "time", level: 0 }] }),
    answer: (record, state) => `${changedAnswers(record, state)} Now try the spatial branch: `
      + "switch this one on again, and that one off.",
  },
  {
    title: "The product, and rest", parts: ["product"],
    begin: (state) => state.set({ amount: "length" }),
    text: () => "The query is multiplied by the spatial and by the temporal modulator, channel by "
      + "channel. A modulator of ones would change nothing: it is at rest.",
    question: () => "The maps show lengths. How long is a modulator that does nothing?",
    act: (state) => state.set({ amount: "rest" }),
    answer: (record, state) => {
      const block = shownBlock(state), { frame, row, column } = state.view;
      const at = (frame * block.size[1] + row) * block.size[2] + column;
      const told = ["space", "time"].map((branch) => (
        `length ${short(block[branch][at])}, distance from rest ${short(block.rest[branch][at])}`));
      return `The root of its ${block.channels} channels, ${short(Math.sqrt(block.channels))}. So `
        + "a bright map may be one at rest. The maps now show the distance from rest. At your "
        + `token, in space: ${told[0]}; in time: ${told[1]}.`;
    },
  },
  {
    title: "The order matters", moving: true, parts: ["film"],
    begin: (state) => state.set({ amount: "length" }),
    text: (record, state) => "You can take the clip apart: move a frame to another place, freeze "
      + "one, paint grey over a part. The shown network says "
      + `${likeliest(record, state, state.answers[state.view.network].before).join(" ")}.`,
    question: () => "Play it backwards. What will the networks say?",
    act: (state) => state.alter({ order: [...state.change.order].reverse() }),
    answer: (record, state) => `${changedAnswers(record, state)} The same pictures, another order. `
      + "Now freeze a frame: nothing moves any more. Which actions are left to guess?",
  },
  {
    title: "The cross", parts: ["reach"],
    begin: (state) => toMeasured(state, 0),
    text: () => "Through one block a token is reached by its own frame, and by its own place in "
      + "every other frame: a cross in space and time. Brighter tokens matter more to it.",
    question: () => "What does a token of the next block depend on, two blocks back?",
    act: (state) => toMeasured(state, 1),
    answer: (record, state) => {
      const { reach } = shownBlock(state), { frame, row, column } = state.view;
      if (!reach) return "This record was made without dependencies (grid=0).";
      const number = reach.tokens.findIndex((token) => `${token}` === `${[frame, row, column]}`);
      if (number < 0) return "Of this token it was not measured: choose another, or go back.";
      const counts = reach.maps.map((map) => {
        const n = map.length / reach.tokens.length;
        const reached = map.subarray(number * n, (number + 1) * n).filter((v) => v > 0).length;
        return `${reached} of ${n}`;
      });
      return `Of the tokens that enter its own block it depends on ${counts[0]}`
        + (counts.length > 1 ? `; of those that enter the block before on ${counts[1]}: on the `
          + "cross of every token of its cross." : ".");
    },
  },
  {
    title: "Where a bright map misleads", parts: ["beside"],
    begin: (state) => {
      state.set({ block: 0 });
      state.set(highestToken(shownBlock(state).product, shownBlock(state).size));
    },
    text: () => "The framed token has the longest product of both modulators in all frames: the "
      + "brightest spot. It is tempting to say that the network looks at it.",
    question: () => "Grey this token in all frames. How far will the right answer fall?",
    act: (state) => {
      const side = pixelsOf(shownBlock(state)), { row, column } = state.view;
      const [top, left] = [row * side, column * side];
      state.alter({ grey: [[-1, top, left, top + side, left + side]] });
    },
    answer: (record, state) => {
      const { before, now, busy, live } = state.answers[state.view.network];
      if (!live) return "This network cannot be asked here: a notebook that has it can.";
      const k = followedClass(record, state), T = state.view.temperature;
      const points = 100 * (softmax(now.logits, T)[k] - softmax(before.logits, T)[k]);
      if (busy) return "…";
      const moved = `"${record.classes[k]}" moves by ${points.toFixed(1)} points. `;
      return moved + (Math.abs(points) < 5 ? "The brightest spot, and hardly a reason. "
        : "Here the brightest spot matters; elsewhere it need not. ")
        + "Which token matters most? Press \"As recorded\", choose the last block, and let each "
        + "token be covered in turn. Compare that map with the product's, and with Grad-CAM's.";
    },
  },
];

/** The tour's card. Steps can be linked to in the page (#tour=5); 0 means no tour. */
export function makeTour(el, record, state, model) {
  const card = made("aside", "dvfl-tour");
  const steps = TOUR.filter(({ moving }) => !moving || record.size[0] > 1);  // one frame is still
  // A page of its own has an address; a notebook, or a frame in one, has not.
  const linked = !model.send && location.protocol !== "about:";
  card.setAttribute("aria-label", "Guided tour");
  el.append(card);
  let shown = 0, asked = false;  // asked: the answer is wanted, and may still change

  function go(step) {
    shown = Math.max(0, Math.min(steps.length, step));
    asked = false;
    if (linked) history.replaceState(null, "", shown ? `#tour=${shown}` : "#");
    if (shown) { state.restore(); steps[shown - 1].begin(state); }
    state.set({ tour: shown, lit: shown ? steps[shown - 1].parts : [] });
    build();
  }

  function build() {
    card.hidden = !shown;
    if (!shown) {
      card.replaceChildren();
      el.closest(".dvfl").querySelector("header button").focus({ preventScroll: true });
      return;
    }
    const step = steps[shown - 1], answer = made("p", "dvfl-answer");
    answer.tabIndex = -1;
    const ask = button(step.act ? "Do it, and show the answer" : "Show the answer", () => {
      asked = true;
      if (step.act) step.act(state);
      draw();
      answer.focus({ preventScroll: true });
      ask.remove();
      state.set({ lit: [...step.parts] });  // the card has grown: into sight again
    });
    const row = made("div", "dvfl-row");
    const back = button("Back", () => go(shown - 1)), next = button("Next", () => go(shown + 1));
    back.disabled = shown === 1; next.disabled = shown === steps.length;
    row.append(back, next, button("End the tour", () => go(0)));
    const head = made("h2", "", `${shown} of ${steps.length} · ${step.title}`);
    head.tabIndex = -1;
    card.replaceChildren(head, made("p", "", step.text(record, state)),
      made("p", "dvfl-question", step.question()), ask, answer, row);
    head.focus({ preventScroll: true });
  }

  function draw() {
    if (state.view.tour !== shown) return go(state.view.tour);
    if (!asked) return;
    card.querySelector(".dvfl-answer").textContent = steps[shown - 1].answer(record, state);
    asked = state.answers.some(({ busy }) => busy);  // what is done later is not its answer
  }

  card.hidden = true;
  const step = linked && /^#tour=(\d+)$/.exec(location.hash);
  state.set({ tour: step ? Number(step[1]) : model.get("tour") });
  return draw;
}
