// Saved searches: a name, a question, and how many pictures it finds now. They stand above the filters.

import { api, isAborted, Problem } from "./api.js";
import { named } from "./chips.js";
import { byId, count, el, icon, iconButton, openSheet, toast } from "./dom.js";
import { t } from "./language.js";
import { found } from "./search.js";
import { bus, filtersOf, go, href, questionOf, state } from "./state.js";

/** @typedef {{id: number, name: string, query: string, filters: Record<string, any[]>, sort: string,
 *   unlikely: boolean, count: ?number, problem: ?string}} Album */

const box = byId("albums");
/** @type {Album[]} */
let albums = [];

/** What the page shows for an album. @param {Album} album */
function shownBy({ query, filters, sort, unlikely }) {
  const chosen = Object.entries(filters).filter(([, values]) => values.length);
  return {
    page: "/", q: query, unlikely, open: 0, text: 0,
    sort: sort === "match" ? "" : sort,
    filters: Object.fromEntries(chosen.map(([facet, values]) => [facet, values.map((value) => (value === null ? "" : String(value)))])),
  };
}

function line(album) {
  const shown = shownBy(album);
  const isCurrent = questionOf({ ...state, ...shown }) === questionOf(state) && state.page === "/";
  return el("li", {},
    el("a", {
      href: href(shown), title: album.problem || named(album.query), "aria-current": isCurrent ? "true" : null,
      on: { click: (event) => { if (event.ctrlKey || event.metaKey) return; event.preventDefault(); go(shown); } },
    }, el("span", { class: "name" }, album.name), el("span", { class: "count" }, album.count === null ? "–" : count(album.count))),
    iconButton("close", t("Remove the saved search {name}", { name: album.name }), () => remove(album)));
}

function draw() {
  const asks = state.page === "/" && !found.problem && (state.q.trim() || Object.keys(state.filters).length > 0);
  const held = box.contains(document.activeElement);
  box.hidden = !albums.length && !asks;
  box.replaceChildren(
    el("h2", {}, t("Saved searches")),
    albums.length ? el("ul", {}, albums.map(line)) : "",
    asks ? el("button", { type: "button", class: "plain", id: "save-search", on: { click: ask } }, icon("keep"), el("span", {}, t("Save this search"))) : "",
  );
  if (held) (byId("save-search") || box.querySelector("a"))?.focus();
}

async function read() {
  try {
    ({ albums } = await api.albums());
    draw();
  } catch (error) {
    if (isAborted(error)) return;
    if (!(error instanceof Problem)) throw error; // those that are shown stay
  }
}

async function save(album) {
  await api.saveAlbum(album);
  await read();
}

async function remove({ id, count: _count, problem: _problem, ...album }) {
  try {
    ({ albums } = await api.removeAlbum(id));
    draw();
    toast(t("{name} is not saved any more", { name: album.name }), { label: t("Undo"), run: () => save(album).catch((error) => toast(error.message)) });
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    toast(error.message);
  }
}

/** Ask for a name. */
function ask() {
  const input = el("input", { type: "text", required: true, maxLength: 100, value: named(state.q).slice(0, 100), "aria-label": t("Name") });
  const problem = el("p", { class: "problem", role: "alert" });
  const form = el("form", {}, el("p", {}, t("It finds what fits whenever you open it, new pictures too.")),
    el("div", { class: "line" }, input, el("button", { type: "submit", class: "main" }, t("Save"))), problem);
  const sheet = openSheet(t("Save this search"), form);
  input.select();
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      await save({ name: input.value.trim(), query: state.q, filters: filtersOf(), sort: state.sort || "match", unlikely: state.unlikely });
      sheet.close();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      problem.textContent = error.message;
    }
  });
}

/** Wire the list. */
export function startAlbums() {
  for (const told of ["indexed", "tagged"]) bus.addEventListener(told, read);
  for (const told of ["state", "answer", "problem"]) bus.addEventListener(told, draw);
  draw(); // at once: what comes late moves the filters
  read();
}
