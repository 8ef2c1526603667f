// Makers of the elements that every panel uses, and the colour of a network.

/** An element with texts and elements in it; text goes in as text, never as HTML. */
export function made(tag, cls = "", ...parts) {
  const element = document.createElement(tag);
  if (cls) element.className = cls;
  element.append(...parts.filter((part) => part !== ""));
  return element;
}

/** A button; `keys` are the keys that do the same, told to screen readers. */
export function button(text, act, title = "", keys = "") {
  const element = made("button", "dvfl-button", text);
  element.type = "button";
  if (title) element.title = title;
  if (keys) element.setAttribute("aria-keyshortcuts", keys);
  element.addEventListener("click", act);
  return element;
}

/** Says whether a button would do something. It keeps the focus, which `disabled` loses. */
export function able(element, yes) {
  element.setAttribute("aria-disabled", !yes);
}

/** A group of radio buttons. options: [value, text] each. -> {el, labels, set(value)} */
export function choices(label, options, act, cls = "") {
  const el = made("fieldset", `dvfl-choices ${cls}`), name = `dvfl${Math.random()}`;
  el.append(made("legend", "", label));
  const labels = options.map(([value, text]) => {
    const one = made("label"), input = made("input");
    Object.assign(input, { type: "radio", name, value: String(value) });
    input.addEventListener("change", () => act(value));
    one.append(input, made("span", "", text));
    el.append(one);
    return one;
  });
  const set = (value) => labels.forEach((one, i) => {
    one.firstChild.checked = options[i][0] === value;
  });
  return { el, labels, set };
}

/** A slider with its value. -> {el, input, set(number, text)} */
export function slider(label, low, high, step, act) {
  const el = made("label", "dvfl-slider"), input = made("input"), told = made("output");
  Object.assign(input, { type: "range", min: low, max: high, step });
  input.addEventListener("input", () => act(Number(input.value)));
  el.append(made("span", "", label), input, told);
  const set = (number, text) => {
    if (Number(input.value) !== number) input.value = number;
    input.setAttribute("aria-valuetext", text);
    told.textContent = text;
  };
  return { el, input, set };
}

/** The dot that stands for a network. */
export function dotOf(network) {
  const dot = made("i", "dvfl-dot");
  dot.style.background = tint(network);
  return dot;
}

/** The colour of a network on the present background; black would not be seen on a dark one. */
export function tint({ colour }) {
  return /^#0{6}$/.test(colour) ? "var(--ink)" : colour;
}
