// Makers of the elements that every panel uses, and the colour of a network.

/** An element with texts and elements in it; text goes in as text, never as HTML. */
export function made(tag, cls = "", ...parts) {
  const element = document.createElement(tag);
  if (cls) element.className = cls;
  element.append(...parts.filter((part) => part !== ""));
  return element;
}

/** An element of an SVG, with its attributes and perhaps a text. */
export function vector(tag, attributes = {}, text = "") {
  const el = document.createElementNS("http://www.w3.org/2000/svg", tag);
  Object.entries(attributes).forEach(([key, value]) => el.setAttribute(key, value));
  el.textContent = text;
  return el;
}

/** A button; `more` are properties of the element. */
export function button(text, onclick, more = {}) {
  return Object.assign(made("button", "dvfl-button", text), { type: "button", onclick, ...more });
}

/** Says whether a button would do something. It keeps the focus, which `disabled` loses. */
export function able(element, yes) {
  element.ariaDisabled = !yes;
}

/** A group of radio buttons for `key` of the view. options: [value, text] each.
 * -> {el, inputs, labels, draw()} */
export function choices(state, key, label, options, cls = "") {
  const name = `dvfl${Math.random()}`;
  const inputs = options.map(([value]) => Object.assign(made("input"),
    { type: "radio", name, onchange: () => state.set({ [key]: value }) }));
  const labels = options.map(([, text], i) => made("label", "", inputs[i], made("span", "", text)));
  const el = made("fieldset", `dvfl-choices ${cls}`, made("legend", "", label), ...labels);
  const draw = () => inputs.forEach((input, i) => {
    input.checked = options[i][0] === state.view[key];
  });
  return { el, inputs, labels, draw };
}

/** A slider with its value. -> {el, set(number, text)} */
export function slider(label, low, high, step, act) {
  const input = Object.assign(made("input"), { type: "range", min: low, max: high, step });
  const told = made("output"), name = made("span", "", label);
  input.oninput = () => act(Number(input.value));
  const set = (number, text) => {
    if (Number(input.value) !== number) input.value = number;
    input.ariaValueText = told.textContent = text;
  };
  return { el: made("label", "dvfl-slider", name, input, told), set };
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
