// The explorer: unpacks the record, builds the panels, and draws what changed once per picture.
import { makeAnswers } from "./answers.js";
import { makeAsker } from "./asking.js";
import { makeBeside } from "./beside.js";
import { makeControls, makeOptions } from "./controls.js";
import { choices, made } from "./dom.js";
import { makeFilm } from "./film.js";
import { makeLayer } from "./layer.js";
import { unpack } from "./record.js";
import { makeState } from "./state.js";
import { makeReach, makeToken } from "./token.js";
import { makeTour } from "./tour.js";

const PARTS = [
  ["film", makeFilm, "The clip", "Drag a frame to another place, paint over it, or freeze it: "
    + "the networks answer at once. A click chooses a token; it is framed in every picture."],
  ["answers", makeAnswers, "What the networks answer", "The bar is the answer now, the upright "
    + "tick the answer to the clip as it was recorded."],
  ["layer", makeLayer, "Inside the layer", "How one block computes, from left to right. Each box "
    + "shows its map of the chosen frame."],
  ["token", makeToken, "The chosen token", "Its numbers, and how they go over the frames."],
  ["reach", makeReach, "What the token depends on", ""],
  ["beside", makeBeside, "Maps beside each other", ""],
];

/** Shows the model's record in `el`; see anywidget for `model`. Returns what ends it. */
export function render({ model, el }) {
  const root = made("div", "dvfl");
  root.setAttribute("data-lm-suppress-shortcuts", "true");  // JupyterLab's keys are not ours
  el.append(root);
  let end = () => {}, round = 0;

  async function begin() {
    const mine = ++round;
    end();
    end = () => {};
    try {
      const record = await unpack(model.get("told"), model.get("blob"));
      if (mine === round) end = build(root, record, model);
    } catch (error) {
      complain(root, `Nothing can be shown. ${error.message}`);
    }
  }
  const onMessage = (content) => {
    if (content.kind === "trouble" && content.id === undefined) complain(root, content.text);
  };
  model.on("change:blob", begin);
  model.on("msg:custom", onMessage);
  begin();
  return () => {
    round++;
    end();
    model.off?.("change:blob", begin);
    model.off?.("msg:custom", onMessage);
    root.remove();
  };
}

function complain(root, text) {
  const alert = made("p", "dvfl-alert", text);
  alert.setAttribute("role", "alert");
  root.querySelector(".dvfl-alert")?.remove();
  root.prepend(alert);
}

function build(root, record, model) {
  const askers = record.networks.map((_, i) => makeAsker(record, i, model));
  const state = makeState(record, askers), draws = [], sections = {};
  const add = (part, tag = "section") => {
    const section = made(tag, `dvfl-${part}`);
    section.dataset.part = part;
    root.append(section);
    sections[part] = section;
    return section;
  };
  root.replaceChildren();
  makeHeader(add("header", "header"), record, state, model);
  draws.push(makeControls(add("controls"), record, state));
  for (const [part, make, title, hint] of PARTS) {
    const section = add(part), body = made("div", "dvfl-body");
    section.append(made("h2", "", title), made("p", "dvfl-hint", hint));
    if (part === "layer") {
      const options = made("div", "dvfl-options");
      section.append(options);
      draws.push(makeOptions(options, record, state));
    }
    section.append(body);
    draws.push(make(body, record, state));
  }
  draws.push(makeTour(add("tour"), record, state, model));

  let waiting = null;
  function draw() {
    const keys = waiting;
    waiting = null;
    root.dataset.theme = state.view.theme;
    for (const panel of draws) panel(keys);
    if (!keys.has("lit")) return;
    for (const part of Object.keys(sections)) {
      sections[part].classList.toggle("dvfl-lit", part === state.view.lit);
    }
    sections[state.view.lit]?.scrollIntoView({ block: "nearest" });
  }
  const follow = (names) => {
    if (waiting) names.forEach((name) => waiting.add(name));
    else {
      waiting = new Set(names);
      requestAnimationFrame(draw);
    }
  };
  state.subscribe(follow);
  follow(new Set([...Object.keys(state.view), "change", "answers"]));
  root.addEventListener("keydown", (event) => {
    if (!(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== "z") return;
    event.preventDefault();
    if (event.shiftKey) state.redo(); else state.undo();
  });
  return () => state.close();
}

function makeHeader(el, record, state, model) {
  el.append(made("h1", "", record.title || "A clip"));
  if (record.label) el.append(made("span", "dvfl-pill", `true class: ${record.label}`));
  if (record.standin) el.append(made("span", "dvfl-pill dvfl-standin", "stand-in data"));
  if (model.send && record.networks.some((n) => n.kernel)) el.append(upload(model));
  const theme = choices("Theme", ["auto", "light", "dark"].map((name) => [name, name]),
    (name) => state.set({ theme: name }), "dvfl-theme");
  theme.set("auto");
  el.append(theme.el);
}

function upload(model) {
  const label = made("label", "dvfl-button", "Your own video");
  const input = made("input", "dvfl-unseen");
  Object.assign(input, { type: "file", accept: "video/*" });
  input.addEventListener("change", async () => {
    const [file] = input.files;
    if (!file) return;
    label.firstChild.textContent = `Recording ${file.name} ...`;
    model.send({ kind: "video", name: file.name }, undefined, [await file.arrayBuffer()]);
  });
  label.append(input);
  return label;
}
