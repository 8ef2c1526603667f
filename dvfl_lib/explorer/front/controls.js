// The head, the bar of networks and blocks, and the choices of how maps are drawn.
import { button, choices, dotOf, made, slider } from "./dom.js";
import { softmax, top } from "./record.js";

const LARGEST = 9 * 2 ** 20;  // bytes: a Jupyter server closes the line at 10 MiB

/** A share in [0, 1] as "12.3 %". */
export const inPercent = (share) => `${(100 * share).toFixed(1)}\u00a0%`;

/** The likeliest class of some logits: [name, "89.8 %"]. */
export function likeliest({ record, view }, { logits }) {
  const shares = softmax(logits, view.temperature), best = top(shares);
  return [record.classes[best], inPercent(shares[best])];
}

/** What a network answered and answers now, such as "Rising 89.8 % -> Sinking 71.0 %". */
export function verdict(state, { before, now }) {
  const [was, is] = [before, now].map((maps) => likeliest(state, maps));
  if (now === before) return was.join(" ");
  return `${was.join(" ")} \u2192 ${was[0] === is[0] ? is[1] : is.join(" ")}`;
}

/** What the clip is, the tour, the theme; where a kernel listens, a video of one's own. */
export function makeHeader(el, record, state, model) {
  el.append(made("h1", "", record.title || "A clip"));
  if (record.label) el.append(made("span", "dvfl-pill", `true class: ${record.label}`));
  if (record.standin) el.append(made("span", "dvfl-pill dvfl-standin", "stand-in data"));
  const theme = choices(state, "theme", "Theme",
    [["auto", "auto"], ["light", "light"], ["dark", "dark"]], "dvfl-theme");
  el.append(button("Guided tour", () => state.set({ tour: 1 })));
  if (model.send && record.networks.some((n) => n.kernel)) el.append(makeUpload(model));
  el.append(theme.el);
  return theme.draw;
}

function makeUpload(model) {
  const input = Object.assign(made("input", "dvfl-unseen"), { type: "file", accept: "video/*" });
  const label = made("label", "dvfl-button", "Your own video", input);
  const say = (text) => { label.firstChild.textContent = text; };
  input.onchange = async () => {
    const [file] = input.files;
    if (!file) return;
    if (file.size > LARGEST) {
      say("Larger than 9 MiB: call record_video(path, networks, classes) in a cell");
      return;
    }
    say(`Recording ${file.name} ...`);
    model.send({ kind: "video", name: file.name }, undefined, [await file.arrayBuffer()]);
  };
  model.on("msg:custom", ({ kind, id }) => {  // explorer.js says what the trouble is
    if (kind === "trouble" && id === undefined) say("Your own video");
  });
  return label;
}

/** Networks with what they say, and the blocks of the one shown. It stays in sight. */
export function makeControls(el, record, state) {
  const networks = choices(state, "network", "Network",
    record.networks.map((n, i) => [i, n.name]), "dvfl-networks");
  const verdicts = networks.labels.map((label, i) => {
    const told = made("small");
    if (record.networks[i].about) label.title = record.networks[i].about;
    label.lastChild.className = "dvfl-tab";
    label.lastChild.prepend(dotOf(record.networks[i]));
    label.lastChild.append(told);
    return told;
  });
  const place = made("div"), live = made("p", "dvfl-unseen");
  live.ariaLive = "polite";
  el.append(networks.el, place, live);
  // What is scrolled to stops below the bar, which lies over the page.
  const bar = el.closest("section");
  new ResizeObserver(() => (
    bar.parentNode?.style.setProperty("--bar", `${bar.offsetHeight}px`))).observe(bar);
  let blocks, timer;

  function drawBlocks() {
    const all = state.blocks;
    blocks = choices(state, "block", "Block", all.map((b, i) => [i, b.block]), "dvfl-blocks");
    all.forEach(({ stage, block, size: [, h, w] }, i) => {
      blocks.inputs[i].ariaLabel = `stage ${stage}, block ${block}, ${h} by ${w} tokens`;
      if (all[i - 1]?.stage === stage) return;
      const size = made("small", "", `${h} x ${w}`, made("span", "dvfl-wide", " tokens"));
      blocks.labels[i].before(made("span", "dvfl-stage", `Stage ${stage}`, size));
    });
    place.replaceChildren(blocks.el);
  }

  function sentence() {
    const { view, change, block } = state;
    const answers = record.networks.map((n, i) => `${n.name}: ${verdicts[i].textContent}`);
    return `Shown: ${record.networks[view.network].name}, stage ${block.stage}, block `
      + `${block.block}; place ${view.frame + 1} with frame ${change.order[view.frame] + 1}; token `
      + `in row ${view.row + 1}, column ${view.column + 1}. ${answers.join("; ")}.`;
  }

  return (keys) => {
    if (keys.has("network")) {
      networks.draw();
      drawBlocks();
    }
    blocks.draw();
    if (keys.has("answers") || keys.has("temperature")) {
      verdicts.forEach((told, i) => {
        told.textContent = verdict(state, state.answers[i]);
        networks.labels[i].classList.toggle("dvfl-busy", state.answers[i].busy);
      });
    }
    clearTimeout(timer);  // said once it rests
    if (!state.view.playing) timer = setTimeout(() => { live.textContent = sentence(); }, 700);
  };
}

/** How maps are drawn, and which token and level are chosen. */
export function makeOptions(el, record, state) {
  const { view } = state, moment = choices(state, "moment", "Maps",
    [["now", "now"], ["before", "before"], ["difference", "difference"]]);
  const groups = [moment,
    choices(state, "amount", "Modulators", [["length", "length"], ["rest", "distance from rest"]]),
    choices(state, "shared", "Scale",
      [[true, "one for all frames"], [false, "each frame its own"]]),
    choices(state, "signed", "Gates", [[true, "signed"], [false, "absolute"]])];
  const overlay = slider("Map over frame", 0, 1, 0.05, (value) => state.set({ overlay: value }));
  const arrows = [["\u2190", "left", 0, -1], ["\u2192", "right", 0, 1], ["\u2191", "up", -1, 0],
    ["\u2193", "down", 1, 0]].map(([text, name, dy, dx]) => button(text,
    () => state.set({ row: view.row + dy, column: view.column + dx }),
    { ariaLabel: `token ${name}` }));
  const told = made("output"), place = made("div");
  let level;
  el.append(...groups.map((group) => group.el), overlay.el, place,
    made("fieldset", "dvfl-choices dvfl-token", made("legend", "", "Token"), ...arrows, told));

  return (keys) => {
    const { levels, size: [, h, w] } = state.block;
    if (keys.has("network") || keys.has("block")) {
      const numbers = [...Array(levels - 1).keys()].map((l) => [l + 1, l + 1]);
      level = choices(state, "level", "Level", [[null, "all"], ...numbers, [levels, "global"]]);
      place.replaceChildren(level.el);
    }
    for (const group of [...groups, level]) group.draw();
    moment.inputs.forEach((input, i) => {
      input.disabled = i > 0 && !(state.changed && state.answer.live);
    });
    overlay.set(view.overlay, `${Math.round(100 * view.overlay)} %`);
    told.textContent = `row ${view.row + 1}, column ${view.column + 1} of ${h} x ${w}`;
  };
}
