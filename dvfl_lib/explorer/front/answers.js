// What the networks answer: bars of the classes as recorded and as they are now.
import { inPercent, likeliest } from "./controls.js";
import { able, button, dotOf, made, slider, tint } from "./dom.js";
import { softmax, top } from "./record.js";

const FEW = 12, LIKELIEST = 10;

// The classes shown: all if few, else the likeliest, each network's first, the true one.
function classesShown({ record, answers, answer }) {
  const all = [...record.classes.keys()], { logits } = answer.before;
  if (all.length <= FEW) return all;
  const best = all.sort((a, b) => logits[b] - logits[a]).slice(0, LIKELIEST);
  best.push(...answers.map(({ now }) => top(now.logits)), record.classes.indexOf(record.label));
  return [...new Set(best)].filter((k) => k >= 0);
}

/** All networks beside each other: a bar is the answer now, a tick the recorded one. */
export function makeAnswers(el, record, state) {
  const heads = record.networks.map((network) => {
    const said = made("b"), how = made("small");
    const cell = made("th", "", made("span", "", dotOf(network), network.name), said, how);
    cell.scope = "col";
    return { said, how, cell };
  });
  const head = made("tr", "", made("td"), ...heads.map(({ cell }) => cell));
  const body = made("tbody"), note = made("p", "dvfl-note");
  const temperature = slider("Temperature", -2, 4, 0.05,
    (power) => state.set({ temperature: 2 ** power }));
  const plain = button("T = 1", () => state.set({ temperature: 1 }), { title: "as in training" });
  el.append(made("table", "dvfl-answers", made("thead", "", head), body), note,
    made("div", "dvfl-tools", temperature.el, plain),
    made("p", "dvfl-note", "All scores are divided by the temperature before they become per "
      + "cent: above 1 they get more even, below 1 the largest takes more."));
  let rows = [], shown = "";

  function drawRows(classes) {
    rows = classes.map((k) => {
      const name = record.classes[k], mine = name === record.label;
      const cells = record.networks.map((network) => {
        const fill = made("i"), tick = made("u"), number = made("span"), by = made("em");
        const bar = made("div", "dvfl-bar", fill, tick);
        bar.style.setProperty("--tint", tint(network));
        return { fill, tick, number, by, share: made("div", "dvfl-share", bar, number, by) };
      });
      const title = made("th", "", name, mine ? made("small", "", "true class") : "");
      title.scope = "row";
      const row = made("tr", mine ? "dvfl-true" : "", title,
        ...cells.map(({ share }) => made("td", "", share)));
      return { k, row, cells };
    });
    body.replaceChildren(...rows.map(({ row }) => row));
    const count = record.classes.length;
    note.textContent = rows.length < count
      ? `${rows.length} of ${count} classes are shown: the likeliest.` : "";
  }

  return (keys) => {
    if (!["answers", "temperature", "network"].some((key) => keys.has(key))) return;
    const { temperature: T } = state.view, classes = classesShown(state);
    if (classes.join() !== shown) drawRows(classes);
    shown = classes.join();
    temperature.set(Math.log2(T), T.toFixed(2));
    able(plain, T !== 1);
    state.answers.forEach((answer, i) => {
      const before = softmax(answer.before.logits, T), now = softmax(answer.now.logits, T);
      const asked = answer.live && state.changed, { cell, said, how } = heads[i];
      said.textContent = likeliest(state, answer.now).join(" ");
      cell.classList.toggle("dvfl-busy", answer.busy);
      how.textContent = answer.trouble || told(answer, state.changed);
      for (const { k, cells } of rows) {
        const { fill, tick, number, by } = cells[i], points = 100 * (now[k] - before[k]);
        fill.style.width = state.changed && !asked ? 0 : `${100 * now[k]}%`;
        tick.style.left = `${100 * before[k]}%`;
        number.textContent = inPercent(now[k]);
        const size = Math.abs(points), sign = points < 0 ? "\u2212" : "+";
        by.textContent = asked && size >= 0.05 ? sign + size.toFixed(1) : "";
        by.className = size < 1 ? "" : points < 0 ? "dvfl-less" : "dvfl-more";
      }
    });
  };
}

// One small line over a column, always there, so that nothing jumps.
function told({ live, busy, ms }, changed) {
  if (!live) {
    return `${changed ? "the unaltered clip; " : ""}from its record: its weights are not here; `
      + "a notebook can ask it";
  }
  if (busy) return "computing";
  return changed ? `answered in ${Math.round(ms)} ms` : "as recorded";
}
