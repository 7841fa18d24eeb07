// Pictures that are selected, and what can be done with them.

import { api, Problem } from "./api.js";
import { byId, copyText, count, el, icon, openSheet, save, toast } from "./dom.js";
import { plural, t } from "./language.js";
import { found, idsBehind, loadAll } from "./search.js";
import { bus } from "./state.js";

/** @type {Map<number, ?string>} ids and, where it is known, the path */
const selected = new Map();
let anchor = 0;
/** On a touch screen a tap opens a picture, unless this says that it selects. */
let taps = false;

/** @param {number} id */
export const isSelected = (id) => selected.has(id);
export const selectedCount = () => selected.size;
/** Tell whether a click on a picture selects it instead of opening it. */
export const isSelecting = () => taps || selected.size > 0;

function changed() {
  draw();
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

/** Run something that may be refused, with the button out of reach meanwhile. */
async function attempt(button, run) {
  button.disabled = true;
  try {
    await run();
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    toast(error.message);
  } finally {
    button.disabled = false;
  }
}

const NAMES = { json: "lexpix.json", csv: "lexpix.csv", zip: "lexpix.zip" };

async function paths() {
  if ([...selected.values()].every((path) => path !== null)) return [...selected.values()];
  const list = JSON.parse(await (await api.exported([...selected.keys()], "json")).text());
  return (Array.isArray(list) ? list : list.pictures || list.hits).map((one) => one.path);
}

function askForTag() {
  const input = el("input", { type: "text", required: true, "aria-label": t("Tag"), placeholder: t("holiday") });
  const form = el("form", { class: "line" }, input, el("button", { type: "submit", class: "main" }, t("Add")));
  const sheet = openSheet(plural(selected.size, "Tag {n} picture", "Tag {n} pictures"), form);
  input.focus();
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(form.querySelector("button"), async () => {
      const ids = [...selected.keys()], name = input.value.trim();
      let done = 0;
      for (const id of ids) { // one after the other: the server is somebody's laptop
        await api.tag(id, { add: [name] });
        form.querySelector("button").textContent = t("{done} of {total}", { done: ++done, total: ids.length });
      }
      sheet.close();
      toast(t("{pictures} tagged {name}", { pictures: plural(ids.length, "{n} picture", "{n} pictures"), name }));
      bus.dispatchEvent(new CustomEvent("tagged"));
    });
  });
}

function draw() {
  const bar = byId("selection");
  byId("select").setAttribute("aria-pressed", String(isSelecting()));
  bar.hidden = !selected.size;
  document.body.classList.toggle("has-selection", selected.size > 0);
  if (!selected.size) return bar.replaceChildren();
  const action = (name, symbol, run, title = "") => {
    const button = el("button", { type: "button", class: "plain", title }, icon(symbol), el("span", {}, name));
    button.addEventListener("click", () => attempt(button, run));
    return button;
  };
  const matches = new Map(found.hits.map((hit) => [hit.id, hit.match]));
  const exportAs = (form) => async () => save(await api.exported([...selected.keys()], form, [...selected.keys()].map((id) => matches.get(id) ?? null)), NAMES[form]);
  const copies = new Set(found.hits.filter((hit) => selected.has(hit.id)).flatMap(idsBehind));
  const m = [...copies].filter((id) => !selected.has(id)).length;
  return bar.replaceChildren(...[
    el("p", { role: "status" }, m ? t("{n} selected, without {m} that are the same", { n: count(selected.size), m: count(m) }) : t("{n} selected", { n: count(selected.size) })),
    found.cursor && selected.size >= found.hits.length && action(t("Select the rest"), "check", async () => { await loadAll(); pickAll(); }),
    action(t("Copy paths"), "copy", async () => copyText((await paths()).join("\n"), plural(selected.size, "{n} path", "{n} paths"))),
    action(t("Tag"), "tag", async () => askForTag()),
    action("JSON", "down", exportAs("json"), t("A list with tags, captions and match")),
    action("CSV", "down", exportAs("csv"), t("A list with tags, captions and match, for a spreadsheet")),
    action("Zip", "down", exportAs("zip"), t("The files themselves, and both lists")),
    action(t("Clear"), "close", async () => clearSelection()),
  ].filter((node) => node instanceof Node));
}

/** Wire the button of touch screens. */
export function startSelection() {
  byId("select").addEventListener("click", () => {
    if (isSelecting()) return clearSelection();
    taps = true;
    return changed();
  });
}
