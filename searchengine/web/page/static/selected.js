// What can be done with the pictures that are selected: tags, lists, the files themselves.

import { api, Problem } from "./api.js";
import { byId, copyText, count, el, icon, openSheet, save, toast } from "./dom.js";
import { plural, t } from "./language.js";
import { found, idsBehind, loadAll } from "./search.js";
import { clearSelection, pickAll, selected } from "./selection.js";
import { bus } from "./state.js";

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

/** Show the bar, or nothing if nothing is selected. */
export function draw() {
  const bar = byId("selection");
  bar.hidden = !selected.size;
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
