// The terms of the query as things to hold: flip, weigh, split, remove, drag, and add more.
// The chips and the text of the box are one thing: every change writes the query anew.

import { thumbOf } from "./api.js";
import { byId, el, icon, iconButton, nameOf } from "./dom.js";
import { t } from "./language.js";
import { found } from "./search.js";
import { bus, go, names, questionOf, state } from "./state.js";

/**
 * @typedef {{text?: string, image_id?: number, upload?: string, weight: number, thumb?: string, label?: string}} Term
 * @typedef {{kind: string, name: string, excluded: boolean}} Filter
 */

const KINDS = { tag: t("tag"), caption: t("caption") };
const LEAST = 0.1, MOST = 3;
/** The weight of "more like this" beside a query: a hint, not a question of its own. */
export const HINT = 0.5;
/** The type under which a term travels when it is dragged. */
export const DRAGGED = "application/x-lexpix-term";

/** What the query in `q` is made of. @type {{q: ?string, terms: Term[], filters: Filter[]}} */
let model = { q: "", terms: [], filters: [] };

/** @param {Term} term */
export const keyOf = (term) =>
  term.image_id !== undefined && term.image_id !== null ? `#${term.image_id}` : term.upload ? `@upload:${term.upload}` : `"${term.text}`;

/** What a term is called. @param {Term} term */
function labelOf(term) {
  return term.text || names.get(keyOf(term)) || (term.upload ? t("your picture") : t("picture {id}", { id: term.image_id || 0 }));
}

/** A text with the names of pictures in place of what stands for them. @param {string} text */
export const named = (text) => text.replace(/@?upload:[\w-]+|upload '[\w-]+'|#\d+/g, (key) => {
  const name = names.get(key.replace(/^@?upload:|^upload '/, "@upload:").replace("'", ""));
  return name || (/^[@u]/.test(key) ? t("your picture") : key);
});

const quoted = (text) => `"${text.replace(/["\\]/g, "\\$&")}"`;
/** Letters and digits need no quotes; the server makes the shortest form of everything else. */
const PLAIN = /^\p{L}[\p{L}\p{M}\p{N}']*(?: \p{L}[\p{L}\p{M}\p{N}']*)*$/u;
const NUMBERS = /(?:^| )(?:inf|infinity|nan)(?: |$)/i;

/** @param {Term} term */
function written(term) {
  const size = Math.round(100 * Math.abs(term.weight)) / 100;
  const value = term.text === undefined || term.text === null ? keyOf(term) : PLAIN.test(term.text) && !NUMBERS.test(term.text) ? term.text : quoted(term.text);
  return `${term.weight < 0 ? "-" : "+"} ${size === 1 ? "" : `${size}*`}${value}`;
}

/** Write terms and filters as a query. @param {Term[]} terms @param {Filter[]} filters */
export function write(terms, filters) {
  const parts = terms.map(written);
  for (const { kind, name, excluded } of filters) parts.push(`${excluded ? "-" : "+"} ${kind}:${/^[^\s"]+$/.test(name) ? name : quoted(name)}`);
  return parts.join(" ").replace(/^\+ /, "");
}

/** @param {Term[]} terms @param {Filter[]} filters @param {"push"|"replace"} [how] */
function set(terms, filters, how = "push", patch = {}) {
  const q = write(terms, filters);
  model = { q, terms, filters };
  draw();
  go({ q, page: state.page === "/recipes" ? "/" : state.page, open: 0, ...patch }, how);
}

/**
 * Add a term to the query, or weigh one that it has already.
 * @param {Omit<Term, "weight">} term @param {number} weight negative for "less like this"
 */
export function addTerm(term, weight) {
  if (term.label) names.set(keyOf({ ...term, weight }), term.label);
  if (model.q !== state.q) {
    // What was typed has not been read by the server yet; the text can be continued all the same.
    const typed = state.q.trim().replace(/(?:^|\s)[+-]$/, "");
    const more = written({ ...term, weight });
    go({ q: typed ? `${typed} ${more}` : more.replace(/^\+ /, ""), open: 0 });
    return;
  }
  const key = keyOf({ ...term, weight });
  const old = model.terms.find((one) => keyOf(one) === key);
  const next = model.terms.filter((one) => one !== old);
  const alone = !next.length && !old;
  let size = alone && weight > 0 ? 1 : Math.abs(weight);
  if (old && old.weight * weight > 0) size = Math.min(MOST, Math.abs(old.weight) + HINT);
  const added = { ...old, ...term, weight: weight < 0 ? -size : size };
  set(old ? model.terms.map((one) => (one === old ? added : one)) : [...next, added], model.filters);
}

/** What filters of a kind ask for, without those that exclude. @param {string} kind */
export const filtersOfKind = (kind) => model.filters.filter((one) => one.kind === kind && !one.excluded).map((one) => one.name);

/**
 * Put a filter in place of those of its kind, or take them out.
 * @param {string} kind @param {string} name "" for none @param {object} [patch] of the state
 */
export function setFilter(kind, name, patch = {}) {
  if (model.q !== state.q) { // not read yet: the text is continued
    const typed = state.q.trim();
    if (name) go({ q: `${typed} ${kind}:${name}`.trim(), open: 0, ...patch });
    return;
  }
  const others = model.filters.filter((one) => one.kind !== kind || one.excluded);
  set(model.terms, name ? [...others, { kind, name, excluded: false }] : others, "push", patch);
}

/** Make something draggable into the query. @param {HTMLElement} node @param {() => Omit<Term, "weight">} term */
export function makeDraggable(node, term) {
  node.draggable = true;
  node.addEventListener("dragstart", (event) => {
    const value = term();
    event.dataTransfer.setData(DRAGGED, JSON.stringify(value));
    event.dataTransfer.setData("text/plain", value.text || `#${value.image_id}`);
    event.dataTransfer.effectAllowed = "copy";
  });
}

/** @param {Term[]} terms */
const put = (terms, how = "push") => set(terms, model.filters, how);
const changed = (index, term) => model.terms.map((one, at) => (at === index ? term : one));

/** How words of other languages were read, for whoever points at them. @param {string} text */
function readAs(text) {
  const words = text.toLowerCase();
  const told = (found.answer?.translated || []).filter((one) => words.includes(one.word.toLowerCase()));
  return told.map((one) => `${one.word} → ${one.english}`).join("\n");
}

function chip(term, index) {
  const label = labelOf(term);
  const sign = el("button", { type: "button", class: "sign", on: { click: () => { put(changed(index, { ...model.terms[index], weight: -model.terms[index].weight })); refocus(index, ".sign"); } } });
  const value = term.text
    ? el("span", { class: "word", title: readAs(term.text) }, term.text)
    : el("span", { class: "word" }, el("img", { src: term.thumb || (term.image_id ? thumbOf(term.image_id, 160) : `/api/v1/uploads/${encodeURIComponent(term.upload || "")}/thumb`), alt: "", width: 30, height: 30, draggable: false }), el("span", { class: "picture" }, nameOf(label)));
  makeDraggable(value, () => ({ text: term.text, image_id: term.image_id, upload: term.upload, label }));
  const amount = el("output", {});
  let fresh = true; // the first step of a drag is worth an entry in the history, the others are not
  const slider = el("input", {
    type: "range", min: LEAST, max: MOST, step: 0.1, "aria-label": t("Weight of {label}", { label }),
    on: {
      pointerdown: () => { fresh = true; },
      focus: () => { fresh = true; },
      input: () => {
        const size = Number(slider.value), before = model.terms[index];
        put(changed(index, { ...before, weight: before.weight < 0 ? -size : size }), fresh ? "push" : "replace");
        fresh = false;
      },
    },
  });
  const words = (term.text || "").split(" ").filter(Boolean);
  return el("li", { class: "chip", data: { key: keyOf(term) } },
    sign, value, slider, amount,
    words.length > 1 && iconButton("split", t("Split {label} into words", { label }), () => {
      put(model.terms.flatMap((one, at) => (at === index ? words.map((text) => ({ text, weight: one.weight })) : [one])));
      refocus(index, ".sign");
    }),
    iconButton("close", t("Remove {label}", { label }), () => {
      put(model.terms.filter((_, at) => at !== index));
      refocus(Math.min(index, model.terms.length - 1), ".remove");
    }, { class: "quiet remove" }),
  );
}

/** Show the numbers of a chip, which change while its slider is held. */
function update(node, term) {
  const minus = term.weight < 0, label = labelOf(term);
  node.classList.toggle("minus", minus);
  const sign = node.querySelector(".sign");
  sign.replaceChildren(icon(minus ? "minus" : "plus"));
  sign.setAttribute("aria-label", minus ? t("{label} counts against; change to for", { label }) : t("{label} counts for; change to against", { label }));
  sign.title = minus ? t("Counts against. Click to count for") : t("Counts for. Click to count against");
  const size = Math.round(100 * Math.abs(term.weight)) / 100;
  const slider = node.querySelector("input");
  if (term.text) node.querySelector(".word").title = readAs(term.text);
  if (Number(slider.value) !== size && document.activeElement !== slider) slider.value = String(size);
  if (!slider.dataset.drawn) { slider.value = String(size); slider.dataset.drawn = "yes"; }
  slider.setAttribute("aria-valuetext", t("{n} times", { n: size }));
  node.querySelector("output").textContent = `${size}×`;
}

function filterChip(filter, index) {
  const name = `${KINDS[filter.kind] || filter.kind}: ${filter.name}`;
  const others = () => model.filters.filter((_, at) => at !== index);
  return el("li", { class: `chip filter${filter.excluded ? " minus" : ""}`, data: { key: `${filter.kind}:${filter.name}${filter.excluded}` } },
    el("button", {
      type: "button", class: "sign",
      "aria-label": filter.excluded ? t("without {name}; change to with", { name }) : t("only with {name}; change to without", { name }),
      on: { click: () => set(model.terms, model.filters.map((one, at) => (at === index ? { ...one, excluded: !one.excluded } : one))) },
    }, icon(filter.excluded ? "minus" : "check")),
    el("span", { class: "word" }, name),
    iconButton("close", t("Remove {label}", { label: name }), () => set(model.terms, others()), { class: "quiet remove" }),
  );
}

function draw() {
  const list = byId("chips");
  const keys = [...model.terms.map(keyOf), ...model.filters.map((one) => `${one.kind}:${one.name}${one.excluded}`)];
  const shown = [...list.children].map((node) => node.dataset.key);
  if (keys.join("\n") !== shown.join("\n")) {
    list.replaceChildren(...model.terms.map(chip), ...model.filters.map(filterChip));
  }
  model.terms.forEach((term, index) => update(list.children[index], term));
  list.hidden = !keys.length;
}

/** After the chips were made anew, give the keyboard back to the one that was used. */
function refocus(index, selector) {
  const node = byId("chips").children[index];
  (node?.querySelector(selector) || byId("q")).focus();
}

/** Follow the answers of the server. */
export function startChips() {
  bus.addEventListener("answer", () => {
    if (found.question !== questionOf(state)) return;
    const { terms = [], filters_in_query: filters = [] } = found.answer;
    model = { q: state.q, terms, filters };
    draw();
  });
  bus.addEventListener("problem", () => {
    if (!found.problem) return;
    model = { q: null, terms: [], filters: [] }; // of no query: a further term continues its text
    draw();
  });
  bus.addEventListener("state", () => {
    if (state.q.trim()) return;
    model = { q: state.q, terms: [], filters: [] };
    draw();
  });
}
