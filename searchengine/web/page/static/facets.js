// Filters with counts beside the pictures; a drawer where the window is narrow.

import { api, isAborted, Problem } from "./api.js";
import { filtersOfKind, setFilter } from "./chips.js";
import { byId, cameraOf, count, debounce, el, icon, nameOf } from "./dom.js";
import { LANGUAGE, t } from "./language.js";
import { coming, found, question } from "./search.js";
import { bus, FACETS, go, href, state, toggleFilter } from "./state.js";

const NAMES = { folder: t("Folder"), year: t("Year"), month: t("Month"), place: t("Place"), camera: t("Camera"), tag: t("Tag"), shape: t("Shape"), format: t("Format") };
const NONE = { year: t("No date"), month: t("No date"), place: t("No place"), camera: t("No camera"), tag: t("No tag"), folder: t("No folder"), shape: t("Unknown"), format: t("Unknown") };
const OPEN_AT_FIRST = new Set(["folder", "year", "place", "tag", "shape"]);
const TREES = new Set(["folder", "place"]);
const FEW = 7;

/** Facets whose whole list is shown, and those that were folded or unfolded by hand. */
const whole = new Set();
const unfolded = new Map();
/** What the tags are narrowed down to by the box above them. */
let wantedTag = "";
/** Tags beyond those that were counted out, of which a word begins as the box says. */
let others = { begun: "", tags: [] };
/** Lists of `{value, label, count}`, and `in_all`. @type {Record<string, any>} */
let facets = {};
/** Whether there are more values than those that are here. */
const isCut = (facet) => (facets.in_all?.[facet] || 0) > (facets[facet] || []).length;
const MOST = 200; // values that the server counts out
let asking = new AbortController();

/** Ask for all values, of which an answer has the first ones alone. */
async function askAll() {
  coming.allValues = true; // of the answers to come as well
  asking.abort();
  asking = new AbortController();
  const mine = found.answer;
  try {
    const all = await api.facets(question(), asking.signal);
    if (mine !== found.answer) return; // whose own are asked for
    facets = all;
    draw();
  } catch (error) {
    if (isAborted(error)) return;
    if (!(error instanceof Problem)) throw error; // the first ones are there
  }
}

const keyOf = (value) => (value === null ? "" : String(value));
const SHAPES = { landscape: t("Landscape"), portrait: t("Portrait"), square: t("Square"), panorama: t("Panorama") };
const months = new Intl.DateTimeFormat(LANGUAGE, { month: "long", year: "numeric", timeZone: "UTC" });
const monthOf = (text) => (/^\d{4}-\d{2}$/.test(text) ? months.format(new Date(`${text}-01T00:00:00Z`)) : text);
const LOOKS = { shape: (text) => SHAPES[text] || text, format: (text) => text.toUpperCase(), month: monthOf, camera: cameraOf };
const labelOf = (facet, one) => (one.value === null ? NONE[facet] : (LOOKS[facet] || String)(one.label || String(one.value)));

function line(facet, one) {
  const value = keyOf(one.value);
  const id = `f-${facet}-${value}`;
  const checked = (state.filters[facet] || []).includes(value);
  const isInTree = TREES.has(facet) && one.value !== null;
  return el("li", { class: isInTree ? `depth-${Math.min(one.depth || 0, 6)}` : "" }, el("label", { title: isInTree ? String(one.value) : "" },
    el("input", { type: "checkbox", checked, data: { facet, value }, id, on: { change: () => toggleFilter(facet, value) } }),
    el("span", { class: "name" }, isInTree ? one.short : labelOf(facet, one)), el("span", { class: "count" }, count(one.count))));
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

/** Places below those that they are in, each by its own name: the server has them in that order. */
function places(values) {
  const known = new Set(values.map((one) => one.value));
  return values.map((one) => {
    if (one.value === null) return one;
    const parts = String(one.value).split(", ");
    const depth = parts.filter((_, at) => at > 0 && known.has(parts.slice(at).join(", "))).length;
    return { ...one, depth, short: depth ? parts.slice(0, 1).join(", ") : one.label };
  });
}

/** The days between which pictures were taken, as filters of the query. */
const day = (name) => el("input", { type: "date", id: `date-${name}`, max: "9999-12-31" });
const [fromDay, toDay] = [day("from"), day("to")];
const dates = el("details", {}, el("summary", { id: "facet-date" }, t("Dates"), el("span", { class: "badge", hidden: true })),
  el("label", { class: "day" }, el("span", {}, t("From")), fromDay), el("label", { class: "day" }, el("span", {}, t("Until")), toDay));
const DAY = 864e5;
/** A day as fields have it, some days later; "" for what is no day. */
const later = (text, days) => {
  const time = Date.parse(`${text.length === 4 ? `${text}-01-01` : text.length === 7 ? `${text}-01` : text.slice(0, 10)}T00:00:00Z`);
  return Number.isNaN(time) ? "" : new Date(time + days * DAY).toISOString().slice(0, 10);
};

/** Show what the query says: `before:` a day is until the day before. */
function showDates() {
  const [after] = filtersOfKind("after"), [before] = filtersOfKind("before");
  const put = (field, value) => { if (document.activeElement !== field) field.value = value; };
  put(fromDay, after ? later(after, 0) : "");
  put(toDay, before ? later(before, before.includes("T") ? 0 : -1) : "");
  const chosen = [after, before].filter(Boolean).length;
  const badge = dates.querySelector(".badge");
  badge.hidden = !chosen;
  badge.textContent = String(chosen);
  if (chosen) dates.open = true;
  dates.hidden = !chosen && !(facets.year || []).some((one) => one.value !== null);
}

/** A year of which only the first digits are there is no year yet. */
const isWhole = (text) => !text || text >= "1000";
const askDates = debounce(() => {
  if (!isWhole(fromDay.value) || !isWhole(toDay.value)) return;
  const wanted = { after: fromDay.value, before: toDay.value && later(toDay.value, 1) };
  const [after] = filtersOfKind("after"), [before] = filtersOfKind("before");
  if (wanted.after !== (after ? later(after, 0) : "")) setFilter("after", wanted.after);
  if (wanted.before !== (before ? later(before, 0) : "")) setFilter("before", wanted.before);
}, 500);
for (const field of [fromDay, toDay]) field.addEventListener("change", askDates);

/** What of a long list is shown at first: countries before the towns in them. */
function few(facet, values, chosen) {
  const top = facet === "place" ? values.filter((one) => !one.depth).sort((a, b) => b.count - a.count) : values;
  const shown = new Set(top.slice(0, FEW));
  return values.filter((one) => shown.has(one) || chosen.includes(keyOf(one.value)));
}

const askTags = debounce(async () => {
  const begun = wantedTag;
  if (!begun || !isCut("tag")) return;
  try {
    const { tag } = await api.facets({ ...question(), tag_prefix: begun });
    if (begun !== wantedTag) return;
    others = { begun, tags: tag };
    draw();
  } catch (error) {
    if (!(error instanceof Problem)) throw error; // those that are there are still narrowed down
  }
}, 200);

/** The tags that fit what is in the box. */
function fitting(values) {
  const known = new Set(values.map((one) => one.value)), wanted = wantedTag.toLowerCase();
  return [...values, ...others.tags.filter((one) => one.count > 0 && !known.has(one.value))]
    .filter((one) => labelOf("tag", one).toLowerCase().includes(wanted));
}

function section(facet) {
  const chosen = state.filters[facet] || [];
  const counted = (facets[facet] || []).filter((one) => one.count > 0 || chosen.includes(keyOf(one.value)));
  const values = facet === "folder" ? tree(counted) : facet === "place" ? places(counted) : counted;
  if (values.length === 0 || (values.length === 1 && !chosen.length && values[0].value === null)) return null;
  const narrowed = facet === "tag" && wantedTag ? fitting(values) : values;
  const total = Math.max(facets.in_all?.[facet] || 0, values.length);
  const part = total > MOST && t("{done} of {total}", { done: count(Math.max(values.length, MOST)), total: count(total) });
  const shown = whole.has(facet) || narrowed !== values ? narrowed : few(facet, values, chosen);
  const finder = facet === "tag" && total > FEW && el("input", {
    type: "search", id: "find-tag", value: wantedTag, placeholder: t("Find a tag"), "aria-label": t("Find a tag"),
    on: { focus: () => { if (isCut("tag") && facets.tag.length < MOST) askAll(); }, input: (event) => { wantedTag = event.target.value.trim(); draw(); askTags(); } },
  });
  const details = el("details", { open: unfolded.get(facet) ?? (OPEN_AT_FIRST.has(facet) || chosen.length > 0) },
    el("summary", { id: `facet-${facet}` }, NAMES[facet], chosen.length ? el("span", { class: "badge" }, chosen.length) : ""),
    finder, el("fieldset", {}, el("legend", { class: "sr" }, NAMES[facet]), el("ul", {}, shown.map((one) => line(facet, one)))),
    narrowed !== values && !shown.length && (!isCut(facet) || others.begun === wantedTag) && el("p", { class: "quiet-text" }, t("No tag has this in its name.")),
    // The server counts out the most frequent ones; any other tag is asked for by the box.
    whole.has(facet) && narrowed === values && part && el("p", { class: "quiet-text" }, part),
    narrowed === values && !whole.has(facet) && shown.length < total && el("button", {
      type: "button", class: "link", data: { more: facet },
      on: { click: async () => {
        whole.add(facet);
        if (isCut(facet)) await askAll();
        else draw();
        byId("facets").querySelectorAll(`[data-facet="${facet}"]`)[FEW]?.focus();
      } },
    }, part || t("All {n}", { n: count(total) })),
    facet === "place" && el("a", { href: href({ page: "/world", open: 0 }), class: "plain on-map", data: { view: "/world" } }, icon("world"), el("span", {}, t("On the map"))),
  );
  details.addEventListener("toggle", () => unfolded.set(facet, details.open));
  return details;
}

function draw() {
  const panel = byId("facets"), list = byId("facet-list");
  const held = document.activeElement?.id, inside = list.contains(document.activeElement);
  const place = panel.scrollTop;
  const sections = FACETS.map((facet) => [facet, section(facet)]);
  showDates();
  list.replaceChildren(...sections.flatMap(([facet, node]) => (facet === "year" ? [dates, node] : [node])).filter((node) => node !== null));
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
function foldFacets() {
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
  bus.addEventListener("escape", (event) => {
    if (!isOpen()) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    foldFacets();
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
  const follow = () => {
    const next = found.answer.facets || {}, text = JSON.stringify([next, state.filters, found.answer.filters_in_query]);
    if (text === drawn) return; // another weight changes the order, not the counts
    drawn = text;
    facets = next;
    others = { begun: "", tags: [] };
    askTags();
    requestAnimationFrame(() => setTimeout(draw)); // the pictures come first
  };
  bus.addEventListener("answer", follow);
  draw();
  if (found.answer) follow();
}
