// Moving a map by hand: drag, pinch, wheel, double click and keys, on the canvas it is drawn on.

import { el } from "./dom.js";
import { t } from "./language.js";

/**
 * @param {HTMLCanvasElement} canvas
 * @param {{isReady: () => boolean, pan: (dx: number, dy: number) => void,
 *   zoom: (factor: number, x?: number, y?: number) => void, fit: () => void,
 *   isOver: (x: number, y: number) => boolean, click: (x: number, y: number) => void,
 *   enter: () => void}} map pixels are those of the canvas
 */
export function steer(canvas, { isReady, pan, zoom, fit, isOver, click, enter }) {
  const held = new Map(); // pointer -> where it was
  let moved = 0;
  const local = (event) => { const box = canvas.getBoundingClientRect(); return { x: event.clientX - box.left, y: event.clientY - box.top }; };
  canvas.addEventListener("pointerdown", (event) => { canvas.setPointerCapture(event.pointerId); held.set(event.pointerId, local(event)); moved = 0; });
  canvas.addEventListener("pointermove", (event) => {
    if (!isReady()) return;
    const before = held.get(event.pointerId), now = local(event);
    if (!before) { canvas.classList.toggle("over", isOver(now.x, now.y)); return; }
    const other = [...held].find(([id]) => id !== event.pointerId)?.[1];
    moved += Math.abs(now.x - before.x) + Math.abs(now.y - before.y);
    if (other) {
      const was = Math.hypot(before.x - other.x, before.y - other.y), is = Math.hypot(now.x - other.x, now.y - other.y);
      pan((now.x - before.x) / 2, (now.y - before.y) / 2);
      if (was > 0 && is > 0) zoom(is / was, (now.x + other.x) / 2, (now.y + other.y) / 2);
    } else pan(now.x - before.x, now.y - before.y);
    held.set(event.pointerId, now);
  });
  for (const end of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(end, (event) => {
      held.delete(event.pointerId);
      if (end !== "pointerup" || moved > 5 || !isReady()) return;
      const now = local(event);
      click(now.x, now.y);
    });
  }
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 16 : event.deltaMode === 2 ? canvas.clientHeight : 1;
    const now = local(event);
    zoom(Math.exp(-event.deltaY * lines * (event.ctrlKey ? 0.01 : 0.002)), now.x, now.y);
  }, { passive: false });
  canvas.addEventListener("dblclick", (event) => { const now = local(event); zoom(2, now.x, now.y); });
  const keys = {
    ArrowLeft: () => pan(80, 0), ArrowRight: () => pan(-80, 0), ArrowUp: () => pan(0, 80), ArrowDown: () => pan(0, -80),
    "+": () => zoom(1.3), "=": () => zoom(1.3), "-": () => zoom(1 / 1.3), 0: fit, Home: fit, Enter: enter,
  };
  canvas.addEventListener("keydown", (event) => {
    const act = event.ctrlKey || event.metaKey || event.altKey ? null : keys[event.key];
    if (!act || !isReady()) return;
    event.preventDefault();
    act();
  });
}

/** The way from one map to the other. @param {string} here the path of this one */
export function switcher(here) {
  const names = { "/map": t("By likeness"), "/world": t("By place") };
  return el("nav", { class: "which", "aria-label": t("Which map") }, Object.entries(names).map(([path, name]) =>
    el("a", { href: path, data: { view: path }, "aria-current": path === here ? "page" : null }, name)));
}
