// Looking closely at one picture: wheel, pinch and double click zoom, a drag moves what is zoomed, a
// swipe goes to the next one. The stage stays in the document from picture to picture, so that a
// full screen does as well.

import { el, iconButton } from "./dom.js";
import { t } from "./language.js";

const MOST = 12, CLOSE = 2.5; // times that a picture is enlarged, at most and by a double click
const SWIPE = 48; // pixels that are a swipe

/** What holds the picture; its children are those of the picture that is shown. */
export const stage = el("div", { class: "stage" });
const at = { x: 0, y: 0, scale: 1 };
/** @type {?HTMLElement} what is enlarged */
let frame = null;
let turn = (_step) => {};
let whole = null;

function draw() {
  if (!frame) return;
  const { width, height } = stage.getBoundingClientRect();
  // No further than where the edge of the picture is in the middle of the stage.
  const wide = (frame.offsetWidth * at.scale) / 2, high = (frame.offsetHeight * at.scale) / 2;
  const far = (size, half) => Math.max(0, half - Math.min(half, size / 2) + (at.scale > 1 ? Math.min(half, size / 2) / 2 : 0));
  at.x = Math.max(-far(width, wide), Math.min(far(width, wide), at.x));
  at.y = Math.max(-far(height, high), Math.min(far(height, high), at.y));
  frame.style.transform = at.scale === 1 ? "" : `translate(${at.x}px, ${at.y}px) scale(${at.scale})`;
  stage.classList.toggle("zoomed", at.scale > 1);
  stage.dataset.zoom = at.scale.toFixed(2);
  const picture = frame.querySelector("img");
  if (picture) picture.draggable = at.scale === 1;
}

/** Enlarge around a place of the window, its middle if none is given. */
export function zoom(factor, clientX = null, clientY = null) {
  const box = stage.getBoundingClientRect();
  const px = (clientX ?? box.left + box.width / 2) - box.left - box.width / 2;
  const py = (clientY ?? box.top + box.height / 2) - box.top - box.height / 2;
  const scale = Math.min(MOST, Math.max(1, at.scale * factor));
  const by = scale / at.scale;
  Object.assign(at, scale === 1 ? { x: 0, y: 0, scale } : { x: px - (px - at.x) * by, y: py - (py - at.y) * by, scale });
  draw();
}

export const isZoomed = () => at.scale > 1;
/** Move what is zoomed. */
export function pan(dx, dy) {
  at.x += dx;
  at.y += dy;
  draw();
}
export function reset() {
  Object.assign(at, { x: 0, y: 0, scale: 1 });
  draw();
}

export const isWhole = () => stage.classList.contains("whole");
/** Let the picture have the whole screen, or take it back. Phones that have no full screen get the window. */
export function fill(on = !isWhole()) {
  stage.classList.toggle("whole", on);
  whole?.setAttribute("aria-pressed", String(on));
  if (on) stage.requestFullscreen?.().catch(() => {});
  else if (document.fullscreenElement) document.exitFullscreen();
  reset();
}

/**
 * Show a picture, at its own size first.
 * @param {HTMLElement} shown the picture with what is painted over it
 */
export function mount(shown) {
  frame = shown;
  stage.prepend(frame);
  reset();
}

/**
 * Empty the stage for another picture.
 * @param {Node[]} turns the buttons that go to the next and the last one
 * @param {(step: -1|1) => void} onTurn goes there
 */
export function clear(turns, onTurn) {
  frame = null;
  turn = onTurn;
  const held = stage.contains(document.activeElement) ? document.activeElement.getAttribute("aria-label") : null;
  whole = iconButton("whole", t("Full screen"), () => fill(), { "aria-pressed": String(isWhole()) });
  stage.replaceChildren(...turns, el("div", { class: "looks" },
    iconButton("plus", t("Zoom in"), () => zoom(1.5)), iconButton("minus", t("Zoom out"), () => zoom(1 / 1.5)), whole));
  reset();
  if (held) [...stage.querySelectorAll("button")].find((one) => one.getAttribute("aria-label") === held)?.focus();
}

function steer() {
  const held = new Map(); // pointer -> where it is
  let from = null; // where a swipe began
  const isPart = (event) => event.target.closest("button");
  stage.addEventListener("pointerdown", (event) => {
    if (isPart(event) || (event.pointerType === "mouse" && (event.button || !isZoomed()))) return;
    held.set(event.pointerId, event);
    from = held.size === 1 && event.pointerType !== "mouse" && !isZoomed() ? event : null;
    if (event.pointerType === "mouse") stage.setPointerCapture(event.pointerId); // a touch has it already
  });
  stage.addEventListener("pointermove", (event) => {
    const before = held.get(event.pointerId);
    if (!before) return;
    const other = [...held].find(([id]) => id !== event.pointerId)?.[1];
    held.set(event.pointerId, event);
    if (other) {
      from = null;
      const apart = (one) => Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY);
      const middle = (a, b) => (a + b) / 2;
      if (apart(before) > 0) zoom(apart(event) / apart(before), middle(event.clientX, other.clientX), middle(event.clientY, other.clientY));
      if (isZoomed()) pan((event.clientX - before.clientX) / 2, (event.clientY - before.clientY) / 2);
    } else if (isZoomed()) pan(event.clientX - before.clientX, event.clientY - before.clientY);
  });
  for (const end of ["pointerup", "pointercancel"]) {
    stage.addEventListener(end, (event) => {
      held.delete(event.pointerId);
      if (!from || end !== "pointerup") return;
      const dx = event.clientX - from.clientX, dy = event.clientY - from.clientY;
      from = null;
      if (Math.abs(dx) > SWIPE && Math.abs(dx) > 1.5 * Math.abs(dy)) turn(dx < 0 ? 1 : -1);
    });
  }
  stage.addEventListener("wheel", (event) => {
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 16 : event.deltaMode === 2 ? stage.clientHeight : 1;
    zoom(Math.exp(-event.deltaY * lines * (event.ctrlKey ? 0.01 : 0.002)), event.clientX, event.clientY);
  }, { passive: false });
  stage.addEventListener("dblclick", (event) => {
    if (!isPart(event)) zoom(isZoomed() ? 1 / MOST : CLOSE, event.clientX, event.clientY);
  });
  document.addEventListener("fullscreenchange", () => { if (!document.fullscreenElement && isWhole()) fill(false); });
  new ResizeObserver(draw).observe(stage);
}
steer();
