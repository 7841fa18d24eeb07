// What is shown, which is what the address says. Everything that changes it goes through `go`.

/** @type {readonly string[]} */
export const FACETS = ["folder", "year", "month", "place", "camera", "tag", "shape", "format"];

/**
 * @typedef {object} State
 * @property {string} page "/", "/map", "/world", "/recipes" or "/duplicates"
 * @property {string} q the query, in the grammar of the command line
 * @property {string} sort "", "match", "newest" or "oldest"; "" is what the server thinks best
 * @property {boolean} unlikely show unlikely matches as well
 * @property {Record<string, string[]>} filters values by facet; "" stands for no value
 * @property {number} open the picture shown in the detail view, 0 for none
 * @property {number} text the text shown on the page of recipes, 0 for none
 * @property {string} words what a recipe is looked for by @property {string} with @property {string} without
 * @property {number} dish the picture whose recipes that page shows, 0 for none
 * @property {string} kind of the duplicates shown: "exact", "burst", or "" for near ones
 */

/** @returns {State} */
function read() {
  const params = new URLSearchParams(location.search);
  const filters = /** @type {Record<string, string[]>} */ ({});
  for (const facet of FACETS) {
    const values = params.getAll(`f.${facet}`);
    if (values.length) filters[facet] = values;
  }
  return {
    page: location.pathname,
    q: params.get("q") || "",
    sort: params.get("sort") || "",
    unlikely: params.has("unlikely"),
    filters,
    open: Number(params.get("open")) || 0,
    text: Number(params.get("text")) || 0,
    words: params.get("words") || "",
    with: params.get("with") || "",
    without: params.get("without") || "",
    dish: Number(params.get("dish")) || 0,
    kind: params.get("kind") || "",
  };
}

export const state = read();
/** Names of pictures that were added, by the key of their term; an answer knows only their ids. */
export const names = new Map(Object.entries(history.state?.names || {}));
/** The names that a query needs, which go with its entry in the history: a reload keeps them. */
const namesIn = (q) => Object.fromEntries([...names].filter(([key]) => q.includes(key)));

/** Sends "state" with {before, how} after every change. */
export const bus = new EventTarget();

/** Write a state as an address. @param {Partial<State>} [patch] */
export function href(patch = {}) {
  const s = { ...state, ...patch };
  const params = new URLSearchParams();
  if (s.q) params.set("q", s.q);
  if (s.sort) params.set("sort", s.sort);
  if (s.unlikely) params.set("unlikely", "1");
  for (const facet of FACETS) for (const value of s.filters[facet] || []) params.append(`f.${facet}`, value);
  if (s.open) params.set("open", String(s.open));
  if (s.text && s.page === "/recipes") params.set("text", String(s.text));
  if (s.dish && s.page === "/recipes") params.set("dish", String(s.dish));
  if (s.page === "/recipes") for (const name of ["words", "with", "without"]) if (s[name]) params.set(name, s[name]);
  if (s.kind && s.page === "/duplicates") params.set("kind", s.kind);
  const text = params.toString();
  return s.page + (text ? `?${text}` : "");
}

/**
 * Change what is shown.
 * @param {Partial<State>} patch
 * @param {"push"|"replace"} [how] whether Back returns to what was shown before
 */
export function go(patch, how = "push") {
  const before = { ...state };
  if (how === "push") history.replaceState({ ...history.state, scroll: scrollY }, "");
  Object.assign(state, patch);
  const url = href();
  if (url !== location.pathname + location.search) {
    // How many entries below is the one without the dialog; 0 if there is none.
    const below = history.state?.below || 0;
    const deeper = !state.open ? 0 : !before.open ? 1 : below && below + 1;
    history[how === "push" ? "pushState" : "replaceState"]({ scroll: scrollY, names: namesIn(state.q), below: how === "push" ? deeper : state.open ? below : 0 }, "", url);
  }
  bus.dispatchEvent(new CustomEvent("state", { detail: { before, how } }));
}

/** Follow Back and Forward. */
addEventListener("popstate", () => {
  const before = { ...state };
  Object.assign(state, read());
  for (const [key, name] of Object.entries(history.state?.names || {})) names.set(key, name);
  bus.dispatchEvent(new CustomEvent("state", { detail: { before, how: "pop" } }));
});

/** What decides the answer, as one text. @param {State} s */
export const questionOf = (s) => href({ ...s, page: "/", open: 0, text: 0, dish: 0 });

/** The filters as the server wants them. @returns {Record<string, (string|number|null)[]>} */
export function filtersOf(s = state) {
  const out = /** @type {Record<string, (string|number|null)[]>} */ ({});
  for (const [facet, values] of Object.entries(s.filters)) {
    out[facet] = values.map((value) => (value === "" ? null : facet === "year" ? Number(value) : value));
  }
  return out;
}

/** Turn one value of a facet on or off. @param {string} facet @param {string} value */
export function toggleFilter(facet, value) {
  const values = state.filters[facet] || [];
  const next = values.includes(value) ? values.filter((one) => one !== value) : [...values, value];
  const filters = { ...state.filters, [facet]: next };
  if (!next.length) delete filters[facet];
  go({ filters });
}
