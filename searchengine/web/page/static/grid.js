// The pictures that were found. Only rows near the window are in the document; one picture at a
// time takes the keyboard, and arrows move it.

import { addTerm, HINT, makeDraggable } from "./chips.js";
import { byId, el, iconButton, isTyping, nameOf } from "./dom.js";
import { isFavourite, toggleFavourite } from "./favourites.js";
import { clock, LANGUAGE, t } from "./language.js";
import { Layout } from "./layout.js";
import { found, isUnfolded, loadMore, sortedBy, unfold } from "./search.js";
import { isSelected, isSelecting, pick, pickAll } from "./selection.js";
import { bus, go, href, state } from "./state.js";

const NARROW = 130; // pixels of a picture on which there is no place for buttons
const AROUND = 900; // pixels above and below the window whose rows are kept ready

const grid = byId("grid");
/** @type {Layout} */
let layout = new Layout(1, 1, () => "");
/** @type {Map<number, HTMLElement>} row number -> its element */
const drawn = new Map();
let active = 0;
let asked = false;
/** What is laid out, as one text. */
let shown = "";
/** Pictures of the layout before, which need not be fetched and decoded again. @type {Map<string, HTMLImageElement>} */
const fetched = new Map();

const target = () => (innerWidth < 600 ? 118 : innerWidth < 1100 ? 180 : 220);
const BANDS = ["likely", "maybe", "unlikely"];
const HEADINGS = [t("Likely"), t("Maybe"), t("Unlikely"), ""];
/** Whether pictures are asked by: something is always nearest to them. */
const isOfPictures = () => found.answer.terms.some((term) => term.text === undefined);
const months = new Intl.DateTimeFormat(LANGUAGE, { month: "long", year: "numeric", timeZone: "UTC" });

/**
 * Sort new hits into bands. Matches need not fall with the scores: one that is better than those
 * before it pulls them up, so that each heading stands once.
 * @param {number} from the first new one
 */
function grade(from) {
  let best = BANDS.length;
  for (let at = found.hits.length - 1; at >= from; at--) {
    const band = BANDS.indexOf(found.hits[at].band);
    best = Math.min(best, band < 0 ? BANDS.length : band);
    found.hits[at].grade = best;
  }
  const least = from ? found.hits[from - 1].grade : 0;
  for (const hit of found.hits.slice(from)) hit.grade = Math.max(hit.grade, least);
}

/** @param {any} hit */
function groupOf(hit) {
  if (sortedBy() === "match") return BANDS[hit.grade] === "unlikely" && isOfPictures() ? t("Weakly alike") : HEADINGS[hit.grade];
  if (!hit.taken_at) return t("Without a date");
  const date = new Date(`${hit.taken_at.slice(0, 10)}T00:00:00Z`);
  return Number.isNaN(date.getTime()) ? t("Without a date") : months.format(date);
}

function picture(src, props) {
  const old = fetched.get(src);
  fetched.delete(src);
  return old ? Object.assign(old, props) : el("img", { src, decoding: "async", draggable: false, ...props });
}

function cell(hit, index, width, height, left) {
  const name = nameOf(hit.path), term = () => ({ image_id: hit.id, label: name });
  const link = el("a", {
    class: "open", href: href({ page: "/", open: hit.id }), title: hit.path,
    on: {
      click: (event) => {
        if (event.ctrlKey || event.metaKey) return;
        event.preventDefault();
        active = index;
        if (event.shiftKey || isSelecting()) pick(index, event.shiftKey);
        else go({ open: hit.id });
      },
      focus: () => moveTo(index, false),
    },
  }, picture(width * devicePixelRatio > 480 ? hit.thumb.replace("size=320", "size=640") : hit.thumb, { alt: name, width: Math.round(width), height: Math.round(height) }));
  makeDraggable(link, term);
  const box = el("input", {
    type: "checkbox", class: "pick", checked: isSelected(hit.id), "aria-label": t("Select {name}", { name }),
    on: { click: (event) => { active = index; pick(index, event.shiftKey); } },
  });
  const node = el("div", { class: width < NARROW ? "cell narrow" : "cell", role: "gridcell", data: { id: hit.id, index } },
    link, box,
    el("span", { class: "likes" },
      iconButton("plus", t("More like {name}", { name }), () => addTerm(term(), HINT)),
      iconButton("minus", t("Less like {name}", { name }), () => addTerm(term(), -HINT))),
  );
  if (hit.at !== null && hit.at !== undefined) node.append(el("span", { class: "time" }, clock(hit.at)));
  if (hit.behind) node.classList.add("behind");
  if (hit.duplicates?.length) node.append(standing(hit, index, width < NARROW));
  Object.assign(node.style, { left: `${left}px`, width: `${width}px`, height: `${height}px` });
  return node;
}

/** What a picture stands for, one click away. */
function standing(hit, index, isNarrow) {
  const n = hit.duplicates.length, is = isUnfolded(hit), said = t("+{n} the same", { n });
  return el("button", {
    type: "button", class: "same", "aria-label": said, "aria-expanded": String(is), title: is ? t("Hide those that are the same") : t("Show the {n} that are the same", { n }),
    on: { click: () => { unfold(hit); rebuild(); moveTo(index, false); grid.querySelector(`.cell[data-index="${index}"] .same`)?.focus({ preventScroll: true }); } },
  }, isNarrow ? `+${n}` : said);
}

function drawRow(number) {
  const row = layout.rows[number];
  const node = el("div", { class: row.label ? "heading" : "row", role: "row", "aria-rowindex": number + 1 });
  Object.assign(node.style, { top: `${row.top}px`, height: `${row.height}px` });
  for (const { left, text } of row.heads || []) {
    const label = el("div", { role: "gridcell", class: "label" }, text);
    label.style.left = `${left}px`;
    node.append(label);
  }
  for (let index = row.from; index < row.to; index++) {
    node.append(cell(found.hits[index], index, row.widths[index - row.from], row.height, row.lefts[index - row.from]));
  }
  return node;
}

/** Put the rows near the window into the document, in their order, and take the others out. */
function draw() {
  asked = false;
  if (grid.hidden || !layout.rows.length) return;
  const offset = grid.getBoundingClientRect().top;
  const first = layout.rowAt(Math.max(0, -offset - AROUND));
  const last = layout.rowAt(Math.max(0, innerHeight - offset + AROUND));
  const focused = document.activeElement?.closest?.("#grid > .row");
  for (const [number, node] of drawn) {
    if ((number < first || number > last) && node !== focused) {
      node.remove();
      drawn.delete(number);
    }
  }
  for (let number = first; number <= last; number++) {
    if (drawn.has(number)) continue;
    const node = drawRow(number);
    let after = null;
    for (const [other, old] of drawn) if (other > number && (!after || other < after[0])) after = [other, old];
    grid.insertBefore(node, after ? after[1] : null);
    drawn.set(number, node);
  }
  mark();
  if (offset + layout.height - innerHeight < 2 * AROUND) loadMore();
}

function ask() {
  if (asked) return;
  asked = true;
  requestAnimationFrame(draw);
}

/** Show which picture takes the keyboard, and which are selected. */
function mark() {
  for (const node of grid.querySelectorAll(".cell")) {
    const isActive = Number(node.dataset.index) === active;
    for (const part of node.querySelectorAll("a, input, button")) part.tabIndex = isActive ? 0 : -1;
    const on = isSelected(Number(node.dataset.id));
    node.classList.toggle("selected", on);
    node.classList.toggle("favourite", isFavourite(Number(node.dataset.id)));
    node.setAttribute("aria-selected", String(on));
    node.querySelector(".pick").checked = on;
  }
  grid.classList.toggle("selecting", isSelecting());
}

function moveTo(index, focus = true) {
  active = Math.max(0, Math.min(index, found.hits.length - 1));
  if (focus) {
    show(active);
    grid.querySelector(`.cell[data-index="${active}"] .open`)?.focus({ preventScroll: true });
  }
  mark();
}

/** Scroll so that a picture is in the window. @param {number} index */
function show(index) {
  const row = layout.rows[layout.rowOf(index)];
  if (!row) return;
  const top = grid.getBoundingClientRect().top + row.top, bottom = top + row.height;
  const header = byId("top").offsetHeight + 12;
  if (top < header) scrollBy(0, top - header);
  else if (bottom > innerHeight - 12) scrollBy(0, bottom - innerHeight + 12);
  draw();
}

/** Scroll until a picture stands at the top, below the name of its group. @param {number} index */
export function goTo(index) {
  const at = layout.rowOf(index), row = layout.rows[at], above = layout.rows[at - 1];
  if (!row) return;
  const top = above?.label ? above.top : row.top;
  active = index;
  scrollTo(0, scrollY + grid.getBoundingClientRect().top + top - byId("top").offsetHeight - 4);
  draw();
}

/** The first picture of the row at the top of the window. */
export function topPicture() {
  const at = layout.rowAt(Math.max(0, byId("top").offsetHeight + 24 - grid.getBoundingClientRect().top));
  return layout.rows[at]?.from ?? 0;
}

/** Lay everything out anew: another answer, or another width. */
function rebuild() {
  for (const image of grid.querySelectorAll("img")) if (image.naturalWidth) fetched.set(image.getAttribute("src"), image);
  for (const node of drawn.values()) node.remove();
  drawn.clear();
  layout = new Layout(grid.clientWidth || grid.parentElement.clientWidth, target(), groupOf, sortedBy() !== "match");
  extend();
  fetched.clear();
}

function extend() {
  grade(layout.count);
  let held = false;
  for (const [number, node] of drawn) {
    if (layout.open === null || layout.rows[number].from < layout.open) continue;
    held ||= node.contains(document.activeElement); // these rows will be others
    node.remove();
    drawn.delete(number);
  }
  layout.extend(found.hits, !found.cursor);
  if (held) { draw(); moveTo(active); }
  grid.style.height = `${layout.height}px`;
  grid.setAttribute("aria-rowcount", String(found.cursor ? -1 : layout.rows.length));
  byId("more").hidden = !found.cursor;
  draw();
}

/** Give the keyboard to a picture, as when its detail view closes. @param {number} id */
function focusPicture(id) {
  const at = found.hits.findIndex((hit) => hit.id === id);
  if (at >= 0 && state.page === "/") moveTo(at);
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
  const hit = found.hits[active];
  const row = layout.rows[layout.rowOf(active)];
  const page = Math.max(1, Math.floor((innerHeight - 120) / target()));
  const many = (step) => { let to = active; for (let n = 0; n < page; n++) to = layout.beside(to, step); return to; };
  const steps = {
    ArrowRight: () => moveTo(active + 1), ArrowLeft: () => moveTo(active - 1),
    ArrowDown: () => moveTo(layout.beside(active, 1)),
    ArrowUp: () => (row && row.from === 0 ? byId("q").focus() : moveTo(layout.beside(active, -1))),
    PageDown: () => moveTo(many(1)), PageUp: () => moveTo(many(-1)),
    Home: () => moveTo(0), End: () => moveTo(found.hits.length - 1),
    "+": () => addTerm({ image_id: hit.id, label: nameOf(hit.path) }, HINT),
    "-": () => addTerm({ image_id: hit.id, label: nameOf(hit.path) }, -HINT),
    x: () => pick(active, event.shiftKey),
    f: () => toggleFavourite(hit.id),
  };
  steps["="] = steps["+"];
  steps.X = steps.x;
  if (event.key === " " && event.target.matches?.("a")) steps[" "] = steps.x;
  const step = steps[event.key];
  if (!step || !hit) return;
  event.preventDefault();
  step();
}

/** @param {boolean} back come back to where the reader was */
function settle(back) {
  const part = grid.contains(document.activeElement) ? document.activeElement : null;
  const id = Number(part?.closest(".cell")?.dataset.id) || 0;
  const button = part?.closest(".likes") ? [...part.parentElement.children].indexOf(part) : -1;
  const now = JSON.stringify([state.sort, found.cursor === null, found.hits.map((hit) => [hit.thumb, hit.band, hit.path])]);
  if (back && now === shown && layout.width === grid.clientWidth) return grade(0); // the same again
  shown = now;
  rebuild();
  if (!back) active = 0;
  if (!part) return mark();
  // Who has the keyboard keeps it, on the same picture if it was found again.
  const at = found.hits.findIndex((hit) => hit.id === id);
  moveTo(Math.max(0, at));
  if (at >= 0 && button >= 0) grid.querySelector(`.cell[data-index="${at}"] .likes`)?.children[button]?.focus({ preventScroll: true });
  return undefined;
}

/** Wire the grid. */
export function startGrid() {
  addEventListener("scroll", ask, { passive: true });
  new ResizeObserver(() => {
    if (grid.hidden || grid.clientWidth === layout.width) return;
    const top = layout.rows[layout.rowAt(Math.max(0, byId("top").offsetHeight - grid.getBoundingClientRect().top))]?.from || 0;
    const away = scrollY > 200;
    rebuild();
    if (away) show(top);
  }).observe(grid.parentElement);
  grid.addEventListener("keydown", onKey);
  grid.addEventListener("error", (event) => { // a picture that went away since
    if (event.target instanceof HTMLImageElement) event.target.closest(".cell")?.classList.add("gone");
  }, true);
  bus.addEventListener("enter-grid", () => { if (found.hits.length) moveTo(Math.max(0, active)); });
  bus.addEventListener("focus-picture", (event) => focusPicture(/** @type {CustomEvent} */ (event).detail));
  bus.addEventListener("grid", (event) => settle(/** @type {CustomEvent} */ (event).detail.back));
  bus.addEventListener("more", extend);
  bus.addEventListener("stuck", extend);
  bus.addEventListener("selected", mark);
  bus.addEventListener("favourites", mark);
  addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key === "a" && state.page === "/" && !state.open && !isTyping(event.target) && found.hits.length) {
      event.preventDefault();
      pickAll();
    }
  });
}

