// The film: all frames of the clip, put in another order and painted grey by the reader's hand.
import { ARROWS, drawFrame, markToken, tokenUnder } from "./canvas.js";
import { able, button, choices, made } from "./dom.js";
import { boxOf } from "./record.js";

// The change in which place i shows what place `from[i]` showed, its grey included.
function rearranged({ order, grey }, from) {
  const everywhere = grey.filter(([t]) => t < 0);
  const moved = from.flatMap((old, t) => (
    grey.filter((g) => g[0] === old).map(([, ...box]) => [t, ...box])));
  return { order: from.map((old) => order[old]), grey: [...everywhere, ...moved] };
}

// The places after what stands at `a` was moved to `b`.
function movedPlaces(all, a, b) {
  const places = [...all];
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
  let drag = null;

  // A change with grey over the tokens from one to another, too.
  const greyed = ({ grey }, place, from, to) => (
    { grey: [...grey, [view.greyAll ? -1 : place, ...boxOf(state.block, from, to)]] });
  const greyToken = () => (
    state.alter(greyed(state.change, view.frame, [view.row, view.column])));
  const arrange = (from) => state.alter(rearranged(state.change, from));
  function move(step) {
    const to = view.frame + step;
    if (to < 0 || to >= T) return;
    arrange(movedPlaces(all, view.frame, to));
    choose(to);
  }
  function choose(frame) {
    state.set({ frame });
    items[view.frame].focus({ preventScroll: true });
  }
  const playOrPause = () => state.set({ playing: !view.playing });

  const items = all.map(() => {
    const seen = made("div", "dvfl-seen", made("canvas"));
    seen.style.aspectRatio = `${W} / ${H}`;
    return Object.assign(made("li", "dvfl-frame", seen, made("span", "dvfl-place"),
      made("span", "dvfl-from"), made("span", "dvfl-unseen")), { role: "option" });
  });
  const strip = made("ol", "dvfl-strip", ...items);
  Object.assign(strip, { role: "listbox", ariaLabel: "Frames of the clip" });
  strip.style.setProperty("--row", Math.min(T, 8));

  const tokenAt = (place, event) => (
    tokenUnder(event, items[place].firstChild, record, state.block));
  // The place whose middle is nearest to the pointer.
  function placeAt(event) {
    const far = items.map((item) => {
      const area = item.getBoundingClientRect();
      return Math.hypot(area.left + area.width / 2 - event.clientX,
        area.top + area.height / 2 - event.clientY);
    });
    return far.indexOf(Math.min(...far));
  }

  strip.onpointerdown = (event) => {
    const place = items.findIndex((item) => item.contains(event.target));
    if (place < 0 || event.button > 0) return;
    event.preventDefault();
    const token = tokenAt(place, event), [row, column] = token;
    drag = { place, to: place, base: state.change, token, x: event.clientX, y: event.clientY,
      paint: brush.ariaPressed === "true" && items[place].firstChild.contains(event.target) };
    state.set({ playing: false, row, column });
    choose(place);
    strip.setPointerCapture(event.pointerId);
    if (drag.paint) state.alter(greyed(drag.base, place, token), drag);
  };
  strip.onpointermove = (event) => {
    if (!drag) return;
    if (drag.paint) {
      state.alter(greyed(drag.base, drag.place, drag.token, tokenAt(drag.place, event)), drag);
      return;
    }
    drag.moving ||= Math.hypot(event.clientX - drag.x, event.clientY - drag.y) > 6;
    const to = drag.moving ? placeAt(event) : drag.to;
    strip.classList.toggle("dvfl-dragging", drag.moving);
    if (to === drag.to) return;
    state.alter(rearranged(drag.base, movedPlaces(all, drag.place, to)), drag);
    drag.to = to;
    choose(to);
  };
  strip.onpointerup = strip.onpointercancel = () => {
    drag = null;
    strip.classList.remove("dvfl-dragging");
  };
  strip.onkeydown = (event) => {
    const { key } = event, bracket = "[]".indexOf(key);
    const step = ARROWS[key] ?? (bracket < 0 ? null : [0, 2 * bracket - 1]);
    if (event.metaKey || (event.ctrlKey && !event.altKey)) return;  // both: AltGr, for [ and ]
    if (step && event.shiftKey) {
      state.set({ row: view.row + step[0], column: view.column + step[1] });
    } else if (step && (event.altKey || bracket >= 0)) move(step[0] + step[1]);
    else if (step) choose(view.frame + step[0] + step[1]);
    else if (key === "Home" || key === "End") choose(key === "End" ? T : 0);
    else if (key === "g") greyToken();
    else if (key === " ") playOrPause();
    else return;
    event.preventDefault();
  };

  const tool = (text, act, title = "", ariaKeyShortcuts = null) => (
    button(text, act, { title, ariaKeyShortcuts }));
  const play = tool("Play", playOrPause, "", "Space");
  const left = tool("\u2190 Move", () => move(-1), "move the chosen frame one place back", "[");
  const right = tool("Move \u2192", () => move(1), "move the chosen frame one place on", "]");
  const brush = tool("Paint grey", () => {
    brush.ariaPressed = strip.classList.toggle("dvfl-painting");
  }, "then drag over a frame: what is grey, the networks do not see");
  brush.ariaPressed = "false";
  const where = choices(state, "greyAll", "Grey in", [[false, "this frame"], [true, "all frames"]]);
  const undo = tool("Undo", state.undo, "", "Control+Z");
  const redo = tool("Redo", state.redo, "", "Control+Shift+Z");
  const restore = tool("As recorded", state.restore);
  const group = (...parts) => made("div", "dvfl-group", ...parts);
  el.append(strip, made("div", "dvfl-tools", group(play, left, right), group(
    tool("Freeze", () => arrange(all.map(() => view.frame)), "this frame in all places"),
    tool("Backwards", () => arrange([...all].reverse()), "reverse the order"),
    tool("Shuffle", () => arrange(shuffled(all)), "any order"),
  ), group(brush, where.el, tool("Grey this token", greyToken, "the chosen token", "g")),
  group(undo, redo, restore)), made("p", "dvfl-note", "Keys on a frame: arrows choose, [ and ] "
    + "move it, g greys the token, Shift and arrows move the token, Space plays."));

  return (changed) => {
    const { change } = state;
    if (["change", "network", "block", "frame", "row", "column"].some((k) => changed.has(k))) {
      items.forEach((item, place) => {
        const [seen, number, from, more] = item.children, recorded = change.order[place];
        drawFrame(seen.firstChild, state, place);
        markToken(seen, state);
        number.textContent = place + 1;
        from.textContent = recorded === place ? "" : `frame ${recorded + 1}`;
        const grey = change.grey.some(([t]) => t < 0 || t === place);
        more.textContent = (recorded === place ? ", as recorded" : "")
          + (grey ? ", partly grey" : "");
        item.ariaSelected = place === view.frame;
        item.tabIndex = place === view.frame ? 0 : -1;
      });
    }
    where.draw();
    play.textContent = view.playing ? "Pause" : "Play";
    able(left, view.frame > 0);
    able(right, view.frame < T - 1);
    able(undo, state.canUndo);
    able(redo, state.canRedo);
    able(restore, state.changed);
  };
}
