// A guided tour: each step sets the scene, asks, and answers with this record's numbers.
import { numbersOf } from "./boxes.js";
import { likeliest, verdict } from "./controls.js";
import { button, made } from "./dom.js";
import { boxOf, followed, placeOf, short, softmax, top } from "./record.js";

// One sentence: what each network said of the recorded clip, and what it says now.
const verdicts = (state) => state.record.networks.map(({ name }, i) => {
  const { live, busy, trouble } = state.answers[i];
  const after = trouble || !live ? "; it cannot be asked here" : busy ? " …" : "";
  return `${name}: ${verdict(state, state.answers[i])}${after}`;
}).join("; ") + ".";

const firstGates = ({ block }) => numbersOf(block, ["gate", "space", 0]);

// Chooses a token in the middle of those whose dependencies were measured.
function toMeasured(state, block) {
  state.set({ block });
  const tokens = state.block.reach?.tokens ?? [];
  if (!tokens.length) return;
  const [frame, row, column] = tokens[Math.floor(tokens.length * 0.6)];
  state.set({ frame, row, column });
}

// Each step sets the scene, and asks; then it acts, and answers.
const TOUR = [
  {
    title: "What a token is", part: "film",
    begin: (state) => state.set({ block: 0 }),
    text: ({ blocks, record }) => {
      const [T, h, w] = blocks[0].size, [, H, W] = record.size;
      return `A frame here has ${H} x ${W} pixels. The network cuts it into small squares. One `
        + `square is a token: at first there are ${h} x ${w} of them in each of the ${T} frames. `
        + "Click on a frame: the token under your pointer is framed, at its place in every frame "
        + "and in every map below.";
    },
    question: "How many pixels has a token of the first block, and one of the last?",
    act: (state) => state.set({ block: state.blocks.length - 1 }),
    answer: ({ blocks }) => {
      const last = blocks.at(-1), near = blocks[0].side, far = last.side;
      return `${near} x ${near} and ${far} x ${far}. From stage to stage 2 x 2 tokens are merged `
        + `into one, so the last map, now chosen, has ${last.size[1]} x ${last.size[2]} tokens.`;
    },
  },
  {
    title: "Near, further, everywhere", part: "contexts-space",
    begin: (state) => state.set({ block: 0, level: 1 }),
    text: "A token gathers what is around it, level by level. In space, level 1 looks at the "
      + "nearest tokens, level 2 looks through level 1 and so further, and the global level at "
      + "the whole frame. What a level finds is called its context.",
    question: "One context has the same value at every token of a frame. Which one, and why?",
    act: (state) => state.set({ level: state.block.levels }),
    answer: "The global one: it is the mean over the whole frame, so all tokens get the "
      + "same. How much of it a token takes is another matter. That is the gate's part.",
  },
  {
    title: "Gates have a sign", part: "gates-space",
    begin: (state) => state.set({ block: 0, level: 1, signed: true }),
    text: "A gate says how much of a context a token takes. It is a plain number: no share "
      + "of a whole, and it may be negative. Orange is above zero, purple below, white is zero.",
    question: "Look at the first gate. Are all tokens on the same side of zero?",
    act: (state) => (
      state.set(placeOf(top(firstGates(state).map((gate) => -gate)), state.block.size))),
    answer: (state) => {
      const gates = firstGates(state), below = gates.filter((gate) => gate < 0).length;
      return `${below} of the ${gates.length} tokens of all frames are below zero. The lowest is `
        + `now framed, ${short(Math.min(...gates))}: there the context is not added but taken `
        + "away.";
    },
  },
  {
    title: "Time is a second branch", moving: true, part: "modulator-time",
    begin: (state) => state.set({ level: null, everywhere: true }),
    text: "The second branch, below the first, does the same along time: a token looks at "
      + "its own place in the frames before and after. Both branches read the same tokens.",
    question: "Switch the temporal branch off in all blocks. Do the networks still know the "
      + "action?",
    act: (state) => state.alter({ off: [{ stage: 0, block: 0, part: "time", level: 0 }] }),
    answer: (state) => `${verdicts(state)} Now try the spatial branch: `
      + "switch this one on again, and that one off.",
  },
  {
    title: "The product, and rest", part: "product",
    begin: (state) => state.set({ amount: "length" }),
    text: "The query is multiplied by the spatial and by the temporal modulator, channel by "
      + "channel. A modulator of ones would change nothing: it is at rest.",
    question: "The maps show lengths. How long is a modulator that does nothing?",
    act: (state) => state.set({ amount: "rest" }),
    answer: ({ block, view: { frame, row, column } }) => {
      const at = (frame * block.size[1] + row) * block.size[2] + column;
      const told = ["space", "time"].map((branch) => (
        `length ${short(block[branch][at])}, distance from rest ${short(block.rest[branch][at])}`));
      return `The root of its ${block.channels} channels, ${short(Math.sqrt(block.channels))}. So `
        + "a bright map may be one at rest. The maps now show the distance from rest. At your "
        + `token, in space: ${told[0]}; in time: ${told[1]}.`;
    },
  },
  {
    title: "The order matters", moving: true, part: "film",
    begin: (state) => state.set({ amount: "length" }),
    text: (state) => "You can take the clip apart: move a frame to another place, freeze "
      + "one, paint grey over a part. The shown network says "
      + `${likeliest(state, state.answer.before).join(" ")}.`,
    question: "Play it backwards. What will the networks say?",
    act: (state) => state.alter({ order: [...state.change.order].reverse() }),
    answer: (state) => `${verdicts(state)} The same pictures, another order. `
      + "Now freeze a frame: nothing moves any more. Which actions are left to guess?",
  },
  {
    title: "The cross", part: "reach",
    begin: (state) => toMeasured(state, 0),
    text: "Through one block a token is reached by its own frame, and by its own place in "
      + "every other frame: a cross in space and time. Brighter tokens matter more to it.",
    question: "What does a token of the next block depend on, two blocks back?",
    act: (state) => toMeasured(state, 1),
    answer: (state) => {
      const { reach } = state.block, { frame, row, column } = state.view;
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
    title: "Where a bright map misleads", part: "beside",
    begin: (state) => {
      state.set({ block: 0 });
      state.set(placeOf(top(state.block.product), state.block.size));
    },
    text: "The framed token has the longest product of both modulators in all frames: the "
      + "brightest spot. It is tempting to say that the network looks at it.",
    question: "Grey this token in all frames. How far will the right answer fall?",
    act: (state) => (
      state.alter({ grey: [[-1, ...boxOf(state.block, [state.view.row, state.view.column])]] })),
    answer: ({ record, view, answer: { before, now, busy, live } }) => {
      if (!live) return "This network cannot be asked here: a notebook that has it can.";
      if (busy) return "…";
      const k = followed(record, before);
      const [was, is] = [before, now].map((maps) => softmax(maps.logits, view.temperature)[k]);
      const points = 100 * (is - was);
      return `"${record.classes[k]}" moves by ${points.toFixed(1)} points. `
        + (Math.abs(points) < 5 ? "The brightest spot, and hardly a reason. "
          : "Here the brightest spot matters; elsewhere it need not. ")
        + "Which token matters most? Press \"As recorded\", choose the last block, and let each "
        + "token be covered in turn. Compare that map with the product's, and with Grad-CAM's.";
    },
  },
];

/** The tour's card. Steps can be linked to in the page (#tour=5); 0 means no tour. */
export function makeTour(el, record, state, model) {
  const card = made("aside", "dvfl-tour"), root = el.closest(".dvfl");
  const steps = TOUR.filter(({ moving }) => !moving || record.size[0] > 1);  // one frame is still
  const told = (words) => (typeof words === "function" ? words(state) : words);
  // A page of its own has an address; a notebook, or a frame in one, has not.
  const linked = !model.send && location.protocol !== "about:";
  card.ariaLabel = "Guided tour";
  card.hidden = true;
  el.append(card);
  let shown = 0, answer = null, asked = false;  // asked: the answer may still change

  function go(number) {
    shown = Math.max(0, Math.min(steps.length, number));
    asked = false;
    if (linked) history.replaceState(null, "", shown ? `#tour=${shown}` : "#");
    card.hidden = !shown;
    if (shown) {
      state.restore();
      steps[shown - 1].begin(state);
      build(steps[shown - 1]);
    } else root.querySelector("header button").focus({ preventScroll: true });
    state.set({ tour: shown });
  }

  function build(step) {
    const head = made("h2", "", `${shown} of ${steps.length} · ${step.title}`);
    answer = made("p", "dvfl-answer");
    head.tabIndex = answer.tabIndex = -1;
    const ask = button(step.act ? "Do it, and show the answer" : "Show the answer", () => {
      asked = true;
      step.act?.(state);
      draw();
      ask.remove();
      bring(answer);  // the card has grown
    });
    card.replaceChildren(head, made("p", "", told(step.text)),
      made("p", "dvfl-question", step.question), ask, answer, made("div", "dvfl-row",
        button("Back", () => go(shown - 1), { disabled: shown === 1 }),
        button("Next", () => go(shown + 1), { disabled: shown === steps.length }),
        button("End the tour", () => go(0))));
    bring(head);
  }

  // The card stands before the part that its step speaks of, which comes to rest below the bar
  // and the card, so that all three are in sight; once it is drawn.
  function bring(focused) {
    requestAnimationFrame(() => {
      light();
      const lit = root.querySelector(".dvfl-lit"), home = el.closest("section");
      const bar = root.querySelector('[data-part="controls"]');
      lit?.closest("section").before(home);
      focused.focus({ preventScroll: true });
      if (!lit) return;
      lit.style.scrollMarginTop = `${bar.offsetHeight + home.offsetHeight + 12}px`;
      lit.scrollIntoView({ block: "start" });
    });
  }
  // Panels make their boxes anew, so that the mark is set in every picture.
  function light() {
    for (const part of root.querySelectorAll("[data-part]")) {
      part.classList.toggle("dvfl-lit", part.dataset.part === steps[shown - 1]?.part);
    }
  }

  function draw() {
    if (state.view.tour !== shown) go(state.view.tour);
    light();
    if (!asked) return;
    answer.textContent = told(steps[shown - 1].answer);
    asked = state.answers.some(({ busy }) => busy);  // what is done later is not its answer
  }

  const step = linked && /^#tour=(\d+)$/.exec(location.hash);
  state.set({ tour: step ? Number(step[1]) : model.get("tour") });
  return draw;
}
