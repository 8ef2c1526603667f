// The arrows between the boxes of the layer.
import { vector } from "./dom.js";

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
  // The middle of one side, or the nearest to it that meets the other box.
  const meet = (middle, from, to) => Math.max(from + 14, Math.min(to - 14, middle));
  svg.replaceChildren(...edges.flatMap(([from, to, cls, label, below]) => {
    const [a, b] = [from, to].map(measured);  // whole boxes, and the maps in them
    const [c, d] = [from, to].map((el) => measured(el.querySelector(":scope > .dvfl-seen") || el));
    const y = meet(c.y, d.top, d.bottom), half = (c.right + d.left) / 2;
    let path, tip, spot;
    if (below && d.left > c.right) {
      path = `M${c.x} ${a.bottom} V${a.bottom + 10} H${b.x} V${b.bottom}`;
      tip = `M${b.x} ${b.bottom} l-4 7 h8 z`;
      spot = [b.x + 9, a.bottom + 4];
    } else if (b.bottom > a.top && b.top < a.bottom) {
      path = `M${c.right} ${c.y} H${half} V${y} H${d.left}`;
      tip = `M${d.left} ${y} l-7 -4 v8 z`;
      spot = [half, y - 6];
    } else {
      const down = b.top >= a.bottom, [start, end] = down ? [a.bottom, b.top] : [a.top, b.bottom];
      const x = meet(c.x, d.left, d.right), turn = end + (down ? -10 : 10);
      if (Math.abs(end - start) > longest) return [];  // it would cross what stands between
      path = `M${c.x} ${start} V${turn} H${x} V${end}`;
      tip = `M${x} ${end} l-4 ${down ? -7 : 7} h8 z`;
      spot = [x + 10, down ? end - 12 : end + 16];
    }
    const line = vector("path", { d: path, class: `dvfl-wire ${cls}` });
    return label === "+" ? [line, vector("circle", { cx: half, cy: y, r: 8 }),
      vector("text", { x: half, y: y + 5 }, "+")]
      : [line, vector("path", { d: tip, class: `dvfl-tip-of ${cls}` }),
        vector("text", { x: spot[0], y: spot[1] }, label)];
  }));
}
