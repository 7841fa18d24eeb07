// Which pictures are selected. What can be done with them stands in selected.js, loaded with the first.

import { byId, toast } from "./dom.js";
import { t } from "./language.js";
import { found } from "./search.js";
import { bus } from "./state.js";

/** @type {Map<number, ?string>} ids and, where it is known, the path */
export const selected = new Map();
/** The bar beneath the pictures, once there was one to show. @type {?Promise<any>} */
let bar = null;
let anchor = 0;
/** On a touch screen a tap opens a picture, unless this says that it selects. */
let taps = false;

/** @param {number} id */
export const isSelected = (id) => selected.has(id);
/** Tell whether a click on a picture selects it instead of opening it. */
export const isSelecting = () => taps || selected.size > 0;

function changed() {
  byId("select").setAttribute("aria-pressed", String(isSelecting()));
  document.body.classList.toggle("has-selection", selected.size > 0);
  if (selected.size) bar ||= import("./selected.js");
  bar?.then((module) => module.draw(), () => {
    bar = null; // the next one tries again
    toast(t("A part of the page could not be loaded. Reload it."));
  });
  bus.dispatchEvent(new CustomEvent("selected"));
}

/** Turn a hit on or off; with a range, all from the last one to it. @param {number} index @param {boolean} range */
export function pick(index, range) {
  const hit = found.hits[index];
  const on = !selected.has(hit.id);
  const [from, to] = range ? [Math.min(anchor, index), Math.max(anchor, index)] : [index, index];
  for (const { id, path } of found.hits.slice(from, to + 1)) {
    if (on || range) selected.set(id, path); else selected.delete(id);
  }
  anchor = index;
  changed();
}

/** Select every hit that was loaded. */
export function pickAll() {
  for (const { id, path } of found.hits) selected.set(id, path);
  changed();
}

/** @param {number[]} ids */
export function pickIds(ids) {
  for (const id of ids) if (!selected.has(id)) selected.set(id, null);
  changed();
}

export function clearSelection() {
  selected.clear();
  taps = false;
  changed();
}

bus.addEventListener("escape", (event) => {
  if (!selected.size || event.defaultPrevented) return;
  event.preventDefault();
  clearSelection();
});

/** Wire the button of touch screens. */
export function startSelection() {
  byId("select").addEventListener("click", () => {
    if (isSelecting()) return clearSelection();
    taps = true;
    return changed();
  });
}
