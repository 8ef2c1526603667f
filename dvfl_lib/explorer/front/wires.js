// Vector drawing: elements of an SVG, and the arrows between the boxes of the layer.

/** An element of an SVG, with its attributes and perhaps a text. */
export function vector(tag, attributes = {}, text = "") {
  const el = document.createElementNS("http://www.w3.org/2000/svg", tag);
  Object.entries(attributes).forEach(([key, value]) => el.setAttribute(key, value));
  el.textContent = text;
  return el;
}

/** Draws arrows on an SVG that lies under its boxes, wherever these stand by now.
 * edges: [from, to, class, label, below]; "+" stands on the line; `below` passes under a box. */
export function drawWires(svg, edges) {
  const home = svg.getBoundingClientRect();
  const longest = parseFloat(getComputedStyle(svg).getPropertyValue("--longest")) || Infinity;
  const measured = (el) => {
    const { left, top, width, height } = el.getBoundingClientRect(), x = left - home.left;
    const y = top - home.top;
    return { left: x, right: x + width, top: y, bottom: y + height,
      x: x + width / 2, y: y + height / 2 };
  };
  svg.replaceChildren(...edges.flatMap(([from, to, cls, label, below]) => {
    const [a, b] = [from, to].map(measured);  // whole boxes, and the maps in them
    const [c, d] = [from, to].map((el) => measured(el.querySelector(".dvfl-seen") || el));
    // Straight on where the other box is that wide or high, else to its middle.
    const y = c.y > d.top && c.y < d.bottom ? c.y : d.y;
    const x = c.x > d.left && c.x < d.right ? c.x : d.x;
    const down = b.top >= a.top, [start, end] = down ? [a.bottom, b.top] : [a.top, b.bottom];
    const half = [(c.right + d.left) / 2, (start + end) / 2], low = a.bottom + 10;
    let path, tip, spot;
    if (d.left - c.right > 2 && below) {
      path = `M${c.x} ${a.bottom} V${low} H${b.x} V${b.bottom}`;
      tip = `M${b.x} ${b.bottom} l-4 7 h8 z`;
      spot = [b.x + 8, low - 4];
    } else if (d.left - c.right > 2) {
      path = `M${c.right} ${c.y} H${half[0]} V${y} H${d.left}`;
      tip = `M${d.left} ${y} l-7 -4 v8 z`;
      spot = [y === c.y ? half[0] : d.left + 9, y - 6];
    } else if (Math.abs(end - start) > longest) {
      return [];  // it would cross what stands between
    } else {
      path = `M${c.x} ${start} V${half[1]} H${x} V${end}`;
      tip = `M${x} ${end} l-4 ${down ? -7 : 7} h8 z`;
      spot = [x + 9, half[1] + 4];
    }
    const line = vector("path", { d: path, class: `dvfl-wire ${cls}` });
    if (label !== "+") {
      return [line, vector("path", { d: tip, class: `dvfl-tip-of ${cls}` }),
        vector("text", { x: spot[0], y: spot[1] }, label)];
    }
    return [line, vector("circle", { cx: half[0], cy: y, r: 8 }),
      vector("text", { x: half[0], y: y + 5 }, "+")];
  }));
}
