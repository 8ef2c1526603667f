// The explorer: unpacks the record, builds the panels, and draws what changed, once per picture.
import { makeAnswers } from "./answers.js";
import { makeAsker } from "./asking.js";
import { makeBeside } from "./beside.js";
import { makeControls, makeHeader, makeOptions } from "./controls.js";
import { made } from "./dom.js";
import { makeFilm } from "./film.js";
import { makeLayer } from "./layer.js";
import { unpack } from "./record.js";
import { makeState } from "./state.js";
import { makeReach, makeToken } from "./token.js";
import { makeTour } from "./tour.js";

const PARTS = [
  ["header", makeHeader], ["controls", makeControls],
  ["film", makeFilm, "The clip", "Drag a frame to another place, paint over it, or freeze it: "
    + "the networks answer at once. A click chooses a token; it is framed in every picture."],
  ["answers", makeAnswers, "What the networks answer", "The bar is the answer now, the upright "
    + "tick the answer to the clip as it was recorded, the signed number the change in points."],
  ["options", makeOptions, "Inside the layer", "How one block computes. Each box shows its map "
    + "of the chosen frame. A modulator of ones changes nothing: that is its rest."],
  ["layer", makeLayer],
  ["token", makeToken, "The chosen token", "Its numbers, and how they go over the frames."],
  ["reach", makeReach, "What the token depends on", ""],
  ["beside", makeBeside, "Maps beside each other", ""],
  ["tour", makeTour],  // the last: it marks what the others have drawn
];

/** Shows the model's record in `el`; see anywidget for `model`. Returns what ends it. */
export function render({ model, el }) {
  const root = made("div", "dvfl");
  // JupyterLab's shortcuts (arrows choose a cell) leave alone only what says so itself.
  root.addEventListener("focusin", (event) => {
    event.target.dataset.lmSuppressShortcuts = "true";
  });
  el.append(root);
  let end = () => {}, round = 0;

  function complain(text) {
    root.querySelector(".dvfl-alert")?.remove();
    root.prepend(Object.assign(made("p", "dvfl-alert", text), { role: "alert" }));
  }
  async function begin() {
    const mine = ++round;
    end();
    end = () => {};
    try {
      const record = await unpack(model.get("told"), model.get("blob"));
      if (mine === round) end = build(root, record, model);
    } catch (error) {
      complain(`Nothing can be shown. ${error.message}`);
    }
  }
  const hear = ({ kind, id, text }) => {
    if (kind === "trouble" && id === undefined) complain(text);
  };
  model.on("change:blob", begin);
  model.on("msg:custom", hear);
  begin();
  return () => {
    round++;
    end();
    model.off("change:blob", begin);
    model.off("msg:custom", hear);
    root.remove();
  };
}

function build(root, record, model) {
  const askers = record.networks.map((_, i) => makeAsker(record, i, model));
  let waiting = null;
  const state = makeState(record, askers, follow);
  root.replaceChildren();
  const draws = PARTS.map(([part, make, title, hint]) => {
    const section = made(part === "header" ? "header" : "section"), body = made("div");
    section.dataset.part = part;
    if (title) section.append(made("h2", "", title), made("p", "dvfl-hint", hint));
    section.append(body);
    root.append(section);
    return make(body, record, state, model);
  });
  function draw() {
    const keys = waiting;
    waiting = null;
    root.dataset.theme = state.view.theme;
    for (const panel of draws) panel(keys);
  }
  function follow(names) {
    if (!waiting) requestAnimationFrame(draw);
    waiting = new Set([...waiting ?? [], ...names]);
  }
  follow([...Object.keys(state.view), "change", "answers"]);
  root.onkeydown = (event) => {
    if (!(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== "z") return;
    event.preventDefault();
    if (event.shiftKey) state.redo(); else state.undo();
  };
  return state.close;
}
