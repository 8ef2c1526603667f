// The film: all frames of the clip, put in another order and painted grey by the reader's hand.
import { drawFrame, markToken } from "./canvas.js";
import { able, button, choices, made } from "./dom.js";

/** The change in which place i shows what place `from[i]` showed, its grey included. */
export function rearranged({ order, grey }, from) {
  const everywhere = grey.filter(([t]) => t < 0);
  const moved = from.flatMap((old, t) => (
    grey.filter((g) => g[0] === old).map(([, ...box]) => [t, ...box])));
  return { order: from.map((old) => order[old]), grey: [...everywhere, ...moved] };
}

/** The places after what stands at `a` was moved to `b`. */
export function movedPlaces(count, a, b) {
  const places = [...Array(count).keys()];
  places.splice(b, 0, ...places.splice(a, 1));
  return places;
}

function shuffled(places) {
  const drawn = places.map((place) => [Math.random(), place]);
  return drawn.sort((a, b) => a[0] - b[0]).map(([, place]) => place);
}

/** The strip of frames with its tools. */
export function makeFilm(el, record, state) {
  const [T, H, W] = record.size, { view } = state, all = [...Array(T).keys()];
  const block = () => record.networks[view.network].before.blocks[view.block];
  let painting = false, everywhere = false;

  // The grey rectangle over the tokens from one to another, in pixels.
  function box([y0, x0], [y1, x1]) {
    const { size: [, h, w], covered } = block(), tall = covered[0] / h, wide = covered[1] / w;
    return [Math.min(y0, y1) * tall, Math.min(x0, x1) * wide, (Math.max(y0, y1) + 1) * tall,
      (Math.max(x0, x1) + 1) * wide].map(Math.round);
  }
  const greyed = (base, place, from, to) => (
    { grey: [...base.grey, [everywhere ? -1 : place, ...box(from, to)]] });
  const arrange = (from) => state.alter(rearranged(state.change, from));
  function move(step) {
    const to = view.frame + step;
    if (to < 0 || to >= T) return;
    arrange(movedPlaces(T, view.frame, to));
    choose(to);
  }
  function choose(frame) {
    state.set({ frame });
    items[view.frame].focus({ preventScroll: true });
  }
  const greyToken = () => {
    const here = [view.row, view.column];
    state.alter(greyed(state.change, view.frame, here, here));
  };

  const strip = made("ol", "dvfl-strip");
  strip.style.setProperty("--row", Math.min(T, 8));
  strip.setAttribute("role", "listbox");
  strip.setAttribute("aria-label", "Frames of the clip");
  const items = all.map(() => {
    const seen = made("div", "dvfl-seen", made("canvas"));
    const item = made("li", "dvfl-frame", seen, made("span", "dvfl-place"),
      made("span", "dvfl-from"), made("span", "dvfl-unseen"));
    item.setAttribute("role", "option");
    seen.style.aspectRatio = `${W} / ${H}`;
    strip.append(item);
    return item;
  });

  // Which token of a frame lies under the pointer; the nearest where none does.
  function tokenAt(place, event) {
    const area = items[place].firstChild.getBoundingClientRect();
    const { size: [, h, w], covered } = block();
    const at = (part, pixels, count, cover) => Math.max(0, Math.min(count - 1,
      Math.floor(part * pixels / cover * count)));
    return [at((event.clientY - area.top) / area.height, H, h, covered[0]),
      at((event.clientX - area.left) / area.width, W, w, covered[1])];
  }
  // The place whose middle is nearest to the pointer.
  function placeAt(event) {
    const far = items.map((item) => {
      const area = item.getBoundingClientRect();
      return Math.hypot(area.left + area.width / 2 - event.clientX,
        area.top + area.height / 2 - event.clientY);
    });
    return far.indexOf(Math.min(...far));
  }

  let drag = null;
  strip.addEventListener("pointerdown", (event) => {
    const place = items.findIndex((item) => item.contains(event.target));
    if (place < 0 || event.button > 0) return;
    event.preventDefault();
    const [row, column] = tokenAt(place, event);
    drag = { place, to: place, base: state.change, token: [row, column], x: event.clientX,
      y: event.clientY, paint: painting && items[place].firstChild.contains(event.target) };
    state.set({ playing: false, row, column });
    choose(place);
    strip.setPointerCapture(event.pointerId);
    if (drag.paint) state.alter(greyed(drag.base, place, drag.token, drag.token), drag);
  });
  strip.addEventListener("pointermove", (event) => {
    if (!drag) return;
    if (drag.paint) {
      state.alter(greyed(drag.base, drag.place, drag.token, tokenAt(drag.place, event)), drag);
      return;
    }
    drag.moving ||= Math.hypot(event.clientX - drag.x, event.clientY - drag.y) > 6;
    const to = drag.moving ? placeAt(event) : drag.to;
    items[view.frame].classList.toggle("dvfl-lifted", drag.moving);
    if (to === drag.to) return;
    items[drag.to].classList.remove("dvfl-lifted");
    state.alter(rearranged(drag.base, movedPlaces(T, drag.place, to)), drag);
    drag.to = to;
    choose(to);
  });
  for (const end of ["pointerup", "pointercancel"]) {
    strip.addEventListener(end, () => {
      drag = null;
      items.forEach((item) => item.classList.remove("dvfl-lifted"));
    });
  }
  strip.addEventListener("keydown", (event) => {
    const side = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0],
      "[": [0, -1], "]": [0, 1] }[event.key];
    if (event.metaKey || (event.ctrlKey && !event.altKey)) return;  // both: AltGr, for [ and ]
    if (side && event.shiftKey) {
      state.set({ row: view.row + side[0], column: view.column + side[1] });
    } else if (side && (event.altKey || "[]".includes(event.key))) move(side[0] + side[1]);
    else if (side) choose(view.frame + side[0] + side[1]);
    else if (event.key === "Home" || event.key === "End") choose(event.key === "End" ? T : 0);
    else if (event.key === "g") greyToken();
    else if (event.key === " ") state.set({ playing: !view.playing });
    else return;
    event.preventDefault();
  });

  const play = button("Play", () => state.set({ playing: !view.playing }), "", "Space");
  const left = button("\u2190 Move", () => move(-1), "move the chosen frame one place back", "[");
  const right = button("Move \u2192", () => move(1), "move the chosen frame one place on", "]");
  const brush = button("Paint grey", () => {
    painting = !painting;
    brush.setAttribute("aria-pressed", painting);
    strip.classList.toggle("dvfl-painting", painting);
  }, "then drag over a frame: what is grey, the networks do not see");
  brush.setAttribute("aria-pressed", "false");
  const where = choices("Grey in", [[false, "this frame"], [true, "all frames"]], (value) => {
    everywhere = value;
  });
  where.set(false);
  const undo = button("Undo", state.undo, "", "Control+Z");
  const redo = button("Redo", state.redo, "", "Control+Shift+Z");
  const restore = button("As recorded", state.restore);
  const groups = [[play, left, right], [
    button("Freeze", () => arrange(all.map(() => view.frame)), "this frame in all places"),
    button("Backwards", () => arrange([...all].reverse()), "reverse the order"),
    button("Shuffle", () => arrange(shuffled(all)), "any order")],
  [brush, where.el, button("Grey this token", greyToken, "the chosen token", "g")],
  [undo, redo, restore]];
  const tools = groups.map((group) => made("div", "dvfl-group", ...group));
  const keys = made("p", "dvfl-note", "Keys on a frame: arrows choose, [ and ] move it, g greys "
    + "the token, Shift and arrows move the token, Space plays.");
  el.append(strip, made("div", "dvfl-tools", ...tools), keys);

  return (changed) => {
    const { change } = state;
    if (["change", "network", "block", "frame", "row", "column"].some((k) => changed.has(k))) {
      items.forEach((item, place) => {
        const [seen, number, from, more] = item.children, recorded = change.order[place];
        drawFrame(seen.firstChild, record, state, place, { grey: true });
        markToken(seen.firstChild, record, state);
        number.textContent = place + 1;
        from.textContent = recorded === place ? "" : `frame ${recorded + 1}`;
        const grey = change.grey.some(([t]) => t < 0 || t === place);
        more.textContent = (recorded === place ? ", as recorded" : "")
          + (grey ? ", partly grey" : "");
        item.setAttribute("aria-selected", place === view.frame);
        item.tabIndex = place === view.frame ? 0 : -1;
      });
    }
    play.textContent = view.playing ? "Pause" : "Play";
    able(left, view.frame > 0);
    able(right, view.frame < T - 1);
    able(undo, state.canUndo);
    able(redo, state.canRedo);
    able(restore, state.changed);
  };
}
