// Filters with counts beside the pictures; a drawer where the window is narrow.

import { byId, count, el, icon, nameOf } from "./dom.js";
import { LANGUAGE, t } from "./language.js";
import { found } from "./search.js";
import { bus, FACETS, go, state, toggleFilter } from "./state.js";

const NAMES = { folder: t("Folder"), year: t("Year"), month: t("Month"), camera: t("Camera"), tag: t("Tag"), shape: t("Shape"), format: t("Format") };
const NONE = { year: t("No date"), month: t("No date"), camera: t("No camera"), tag: t("No tag"), folder: t("No folder"), shape: t("Unknown"), format: t("Unknown") };
const OPEN_AT_FIRST = new Set(["folder", "year", "tag", "shape"]);
const FEW = 7;
const COUNTED = 200; // values of a facet that the server counts out, at most

/** Facets whose whole list is shown, and those that were folded or unfolded by hand. */
const whole = new Set();
const unfolded = new Map();
/** What the tags are narrowed down to by the box above them. */
let wantedTag = "";
/** @type {Record<string, {value: any, label: string, count: number}[]>} */
let facets = {};

const keyOf = (value) => (value === null ? "" : String(value));
const SHAPES = { landscape: t("Landscape"), portrait: t("Portrait"), square: t("Square"), panorama: t("Panorama") };
const months = new Intl.DateTimeFormat(LANGUAGE, { month: "long", year: "numeric", timeZone: "UTC" });
const monthOf = (text) => (/^\d{4}-\d{2}$/.test(text) ? months.format(new Date(`${text}-01T00:00:00Z`)) : text);
/** A camera without its maker said twice: "Canon Canon EOS 5D". @param {string} text */
export const cameraOf = (text) => text.replace(/^(\S+)(?: \S+)*? (?=\1\b)/i, "");
const LOOKS = { shape: (text) => SHAPES[text] || text, format: (text) => text.toUpperCase(), month: monthOf, camera: cameraOf };
const labelOf = (facet, one) => (one.value === null ? NONE[facet] : (LOOKS[facet] || String)(one.label || String(one.value)));

function line(facet, one) {
  const value = keyOf(one.value);
  const id = `f-${facet}-${value}`;
  const checked = (state.filters[facet] || []).includes(value);
  const isFolder = facet === "folder" && one.value !== null;
  return el("li", { class: isFolder ? `depth-${Math.min(one.depth || 0, 6)}` : "" }, el("label", { title: isFolder ? String(one.value) : "" },
    el("input", { type: "checkbox", checked, data: { facet, value }, id, on: { change: () => toggleFilter(facet, value) } }),
    el("span", { class: "name" }, isFolder ? one.short : labelOf(facet, one)), el("span", { class: "count" }, count(one.count))));
}

/** Folders in the order of a tree, each with its depth, and the name it has below the one above it. */
function tree(folders) {
  const above = /** @type {string[]} */ ([]);
  const key = (one) => String(one.value).split(/[\\/]/);
  const sorted = folders.filter((one) => one.value !== null).sort((a, b) => {
    const left = key(a), right = key(b);
    for (let at = 0; at < Math.max(left.length, right.length); at++) {
      if (left[at] !== right[at]) return left[at] === undefined || (right[at] !== undefined && left[at] < right[at]) ? -1 : 1;
    }
    return 0;
  });
  return sorted.map((one) => {
    const path = String(one.value);
    while (above.length && !path.startsWith(`${above.at(-1).replace(/[\\/]$/, "")}${path.includes("/") ? "/" : "\\"}`)) above.pop();
    const short = above.length ? path.slice(above.at(-1).length).replace(/^[\\/]/, "") : one.label;
    const depth = above.length;
    above.push(path);
    return { ...one, depth, short: short || nameOf(path) || path };
  });
}

function section(facet) {
  const chosen = state.filters[facet] || [];
  const counted = (facets[facet] || []).filter((one) => one.count > 0 || chosen.includes(keyOf(one.value)));
  const values = facet === "folder" ? tree(counted) : counted;
  if (values.length === 0 || (values.length === 1 && !chosen.length && values[0].value === null)) return null;
  const narrowed = facet === "tag" && wantedTag ? values.filter((one) => labelOf(facet, one).toLowerCase().includes(wantedTag.toLowerCase())) : values;
  const shown = whole.has(facet) || narrowed !== values ? narrowed : values.filter((one, at) => at < FEW || chosen.includes(keyOf(one.value)));
  const finder = facet === "tag" && values.length > FEW && el("input", {
    type: "search", id: "find-tag", value: wantedTag, placeholder: t("Find a tag"), "aria-label": t("Find a tag"),
    on: { input: (event) => { wantedTag = event.target.value.trim(); draw(); } },
  });
  const details = el("details", { open: unfolded.get(facet) ?? (OPEN_AT_FIRST.has(facet) || chosen.length > 0) },
    el("summary", { id: `facet-${facet}` }, NAMES[facet], chosen.length ? el("span", { class: "badge" }, chosen.length) : ""),
    finder, el("fieldset", {}, el("legend", { class: "sr" }, NAMES[facet]), el("ul", {}, shown.map((one) => line(facet, one)))),
    narrowed !== values && !shown.length && el("p", { class: "quiet-text" }, t("No tag has this in its name.")),
    // The server counts out the most frequent ones; any other can be asked for in the box.
    whole.has(facet) && values.length >= COUNTED && el("p", { class: "quiet-text" }, t("The {n} with most pictures", { n: count(values.length) })),
    narrowed === values && shown.length < values.length && el("button", {
      type: "button", class: "link", data: { more: facet },
      on: { click: () => { whole.add(facet); draw(); byId("facets").querySelectorAll(`[data-facet="${facet}"]`)[FEW]?.focus(); } },
    }, values.length >= COUNTED ? t("The {n} with most pictures", { n: count(values.length) }) : t("All {n}", { n: count(values.length) })),
  );
  details.addEventListener("toggle", () => unfolded.set(facet, details.open));
  return details;
}

function draw() {
  const panel = byId("facets"), list = byId("facet-list");
  const held = document.activeElement?.id, inside = list.contains(document.activeElement);
  const place = panel.scrollTop;
  list.replaceChildren(...FACETS.map(section).filter((node) => node !== null));
  panel.scrollTop = place;
  if (inside && held) byId(held)?.focus({ preventScroll: true });
  drawChosen();
}

/** What is filtered by, where it can be taken back even if the panel is closed. */
function drawChosen() {
  const chips = [];
  for (const facet of FACETS) {
    for (const value of state.filters[facet] || []) {
      const one = (facets[facet] || []).find((other) => keyOf(other.value) === value) || { value: value === "" ? null : value, label: value, count: 0 };
      const label = labelOf(facet, one);
      chips.push(el("button", { type: "button", class: "chosen", "aria-label": t("Remove the filter {facet}: {label}", { facet: NAMES[facet], label }), on: { click: () => toggleFilter(facet, value) } }, el("span", {}, label), icon("close")));
    }
  }
  if (chips.length > 1) chips.push(el("button", { type: "button", class: "link", on: { click: () => go({ filters: {} }) } }, t("Clear filters")));
  byId("chosen").replaceChildren(...chips);
  byId("open-facets").classList.toggle("on", chips.length > 0);
}

/** Open or close the drawer. While it is open it is a dialog: the keyboard stays in it. */
function unfold(open) {
  const panel = byId("facets");
  document.body.classList.toggle("facets-open", open);
  byId("open-facets").setAttribute("aria-expanded", String(open));
  for (const [name, value] of [["role", "dialog"], ["aria-modal", "true"]]) {
    if (open) panel.setAttribute(name, value);
    else panel.removeAttribute(name);
  }
}

/** Close the drawer, and give the keyboard back to its button. */
export function foldFacets() {
  unfold(false);
  byId("open-facets").focus();
}

/** Keep Tab among what can be used in the drawer. @param {KeyboardEvent} event */
function stay(event) {
  const usable = [...byId("facets").querySelectorAll("a, button, input, summary")].filter((node) => node.checkVisibility());
  const [first, last] = [usable[0], usable.at(-1)];
  if (document.activeElement !== (event.shiftKey ? first : last)) return;
  event.preventDefault();
  (event.shiftKey ? last : first).focus();
}

/** Wire the panel. */
export function startFacets() {
  const button = byId("open-facets");
  button.setAttribute("aria-expanded", "false");
  button.setAttribute("aria-controls", "facets");
  byId("fold-facets").addEventListener("click", foldFacets);
  byId("add-folder")?.addEventListener("click", () => bus.dispatchEvent(new CustomEvent("add-folder")));
  const isOpen = () => document.body.classList.contains("facets-open");
  button.addEventListener("click", () => {
    unfold(true);
    byId("facets").querySelector("button").focus();
  });
  byId("facets").addEventListener("keydown", (event) => {
    if (!isOpen()) return;
    if (event.key === "Tab") stay(event);
    if (event.key === "Escape") { event.stopPropagation(); foldFacets(); }
  });
  matchMedia("(max-width: 1100px)").addEventListener("change", () => unfold(false));
  byId("main").addEventListener("pointerdown", (event) => {
    if (document.body.classList.contains("facets-open") && !event.target.closest("#facets, #open-facets")) foldFacets();
  });
  let drawn = "";
  // A box that was ticked is not what was drawn any more, whatever the answer will be.
  bus.addEventListener("state", (event) => {
    const { before } = /** @type {CustomEvent} */ (event).detail;
    if (JSON.stringify(before.filters) !== JSON.stringify(state.filters)) drawn = "";
  });
  bus.addEventListener("problem", () => {
    if (!found.problem) return;
    drawn = "";
    facets = {};
    draw();
  });
  bus.addEventListener("answer", () => {
    const next = found.answer.facets || {}, text = JSON.stringify([next, state.filters]);
    if (text === drawn) return; // another weight changes the order, not the counts
    drawn = text;
    facets = next;
    requestAnimationFrame(() => setTimeout(draw)); // the pictures come first
  });
  draw();
}
