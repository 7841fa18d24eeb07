// Choosing a folder of this computer to index: by its path, or by walking there.

import { api, isAborted, Problem } from "./api.js";
import { el, icon } from "./dom.js";
import { filled, plural, t } from "./language.js";

/**
 * A form that asks for a folder.
 * @param {(folder: string) => Promise<void>} start begins to index it
 * @returns {HTMLElement}
 */
export function folderChooser(start) {
  const input = el("input", { type: "text", required: true, "aria-label": t("Folder"), placeholder: "~/Pictures", spellcheck: false });
  const submit = el("button", { type: "submit", class: "main" }, t("Index"));
  const problem = el("p", { class: "problem", role: "alert" });
  const places = el("ul", { class: "places", "aria-label": t("Likely folders") });
  const inside = el("ul", { class: "folders", "aria-label": t("Folders in it") });
  const note = el("p", { class: "quiet-text", role: "status" });
  const form = el("form", { class: "chooser" }, el("div", { class: "line" }, input, submit), problem, places, note, inside);
  let walking = new AbortController();

  const folder = (name, path, symbol = "folder") => el("li", {}, el("button", { type: "button", class: "plain", title: path, on: { click: () => walk(path, true) } }, icon(symbol), el("span", {}, name)));

  /** Show what is in a folder; it is the one to be indexed if somebody chose it. */
  async function walk(path, isChosen) {
    walking.abort();
    walking = new AbortController();
    try {
      const found = await api.folders(path, walking.signal);
      problem.textContent = "";
      const hadFocus = inside.contains(document.activeElement);
      if (isChosen) input.value = found.path;
      places.replaceChildren(...found.places.map((one) => folder(one.name, one.path)));
      inside.replaceChildren(
        ...(found.parent === null ? [] : [folder(t("Up"), found.parent, "up")]),
        ...found.folders.map((one) => folder(one.name, one.path)),
      );
      if (hadFocus) inside.querySelector("button")?.focus();
      note.replaceChildren(...filled("In {folder}: {pictures}", { folder: el("code", {}, found.path), pictures: plural(found.pictures, "{n} picture", "{n} pictures") }),
        found.folders.length ? ` · ${plural(found.folders.length, "{n} folder", "{n} folders")}` : "",
        found.is_whole ? "" : ` · ${t("not all folders are shown")}`);
    } catch (error) {
      if (isAborted(error)) return;
      if (!(error instanceof Problem)) throw error;
      if (isChosen) problem.textContent = error.message; // else the path can still be typed
    }
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    problem.textContent = "";
    submit.disabled = true;
    try {
      await start(input.value.trim());
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      problem.textContent = error.message;
    } finally {
      submit.disabled = false;
    }
  });
  walk("~", false);
  return form;
}
