// Recipes: find them by words or by a picture of a dish, and dishes by a recipe.

import { api, isAborted, Problem, thumbOf } from "./api.js";
import { makeDraggable } from "./chips.js";
import { byId, debounce, el, icon, iconButton, nameOf, toast } from "./dom.js";
import { t } from "./language.js";
import { bus, go, href, state } from "./state.js";

const view = byId("view-recipes");
const asked = { q: "", with: "", without: "", upload: "", thumb: "", name: "" };
let asking = new AbortController();
let reading = new AbortController();
let parts = null;

const isOfDish = () => Boolean(asked.upload || state.dish);

function build() {
  const field = (name, label, placeholder) => el("label", { class: "field" }, el("span", {}, label),
    el("input", { type: "search", placeholder, value: asked[name], name, on: { input: (event) => { asked[name] = event.target.value; later(); } } }));
  const file = el("input", { type: "file", accept: "image/*", hidden: true, "aria-label": t("A picture of the dish"), on: { change: () => { if (file.files[0]) useFile(file.files[0]); file.value = ""; } } });
  const dish = el("div", { class: "dish" });
  const list = el("ul", { class: "cards", "aria-label": t("Recipes found") });
  const status = el("p", { role: "status", class: "quiet-text" });
  const text = el("article", { class: "recipe", hidden: true, tabIndex: -1 });
  const words = field("q", t("Recipe"), t("lentil soup")), by = el("span", {});
  view.replaceChildren(
    el("h1", { class: "sr" }, t("Recipes")),
    el("div", { class: "finder" },
      el("form", { class: "fields", role: "search", "aria-label": t("Search recipes"), on: { submit: (event) => { event.preventDefault(); note(); } } },
        words, el("div", { class: "field" }, by, dish, file),
        field("with", t("With"), t("rice, lemon")), field("without", t("Without"), t("nuts"))),
      status, list),
    text,
  );
  parts = { list, status, text, dish, file, words, by };
}

/** Show how recipes are looked for: by words, or by a dish. */
function drawDish() {
  const { dish, file, words, by } = parts, has = isOfDish();
  words.hidden = has;
  by.textContent = has ? t("Dish") : t("or by a dish");
  dish.replaceChildren(...(has
    ? [el("img", { src: asked.upload ? asked.thumb : thumbOf(state.dish, 160), alt: "", width: 44, height: 44 }), el("span", { class: "name" }, asked.upload ? asked.name : t("picture {id}", { id: state.dish })),
      iconButton("close", t("Remove the dish"), () => { Object.assign(asked, { upload: "", thumb: "", name: "" }); if (state.dish) go({ dish: 0 }); else { drawDish(); find(); } })]
    : [el("button", { type: "button", class: "plain", on: { click: () => file.click() } }, icon("picture"), el("span", {}, t("A picture of it")))]));
}

async function useFile(file) {
  try {
    const { upload, thumb } = await api.upload(file);
    Object.assign(asked, { upload, thumb, name: file.name || t("your picture") });
    if (state.dish) go({ dish: 0 });
    drawDish();
    find();
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    toast(file.name ? `${file.name}: ${error.message}` : error.message);
  }
}

const list = (text) => text.split(",").map((one) => one.trim()).filter(Boolean);

async function find() {
  later.cancel();
  asking.abort();
  asking = new AbortController();
  const { signal } = asking;
  try {
    const by = asked.upload ? { upload: asked.upload } : state.dish ? { image_id: state.dish } : { q: asked.q.trim() };
    draw(await api.recipes({ ...by, with: list(asked.with), without: list(asked.without), limit: 40 }, signal));
  } catch (error) {
    if (isAborted(error)) return;
    if (!(error instanceof Problem)) throw error;
    parts.list.replaceChildren();
    parts.status.textContent = error.message;
  }
}
/** Put what is asked into the address, which asks it. */
function note() {
  later.cancel();
  go({ words: asked.q, with: asked.with, without: asked.without }, "replace");
}
const later = debounce(note, 200);

function draw(answer) {
  parts.list.replaceChildren(...answer.hits.map((hit) => el("li", {},
    el("a", {
      href: href({ page: "/recipes", text: hit.id }), class: "card", "aria-current": hit.id === state.text ? "true" : "false", data: { id: hit.id },
      on: { click: (event) => { if (event.ctrlKey || event.metaKey) return; event.preventDefault(); go({ text: hit.id }); } },
    }, el("strong", {}, hit.title), el("span", { class: "quiet-text" }, nameOf(hit.source || ""))))));
  const unknown = (answer.unknown_words || []).map((one) => one.word);
  const isAll = !isOfDish() && !["q", "with", "without"].some((name) => asked[name].trim());
  parts.status.textContent = unknown.length ? t("Not known: {words}", { words: unknown.join(", ") })
    : answer.nothing_like_that ? t("This picture shows no dish.") : answer.hits.length ? "" : isAll ? t("No recipes here yet. Add some: {command}", { command: "lexpix texts add FILE" }) : t("No recipe was found.");
}

/** Show a recipe, and the pictures of dishes that are near it. */
async function read(id) {
  reading.abort();
  reading = new AbortController();
  const { signal } = reading;
  const { text } = parts;
  text.hidden = !id;
  view.classList.toggle("reading", Boolean(id));
  for (const card of parts.list.querySelectorAll(".card")) card.setAttribute("aria-current", String(card.dataset.id === String(id)));
  if (!id) return;
  try {
    const recipe = await api.text(id, signal);
    const dishes = el("section", { hidden: true }, el("h3", {}, t("Dishes like it")));
    text.replaceChildren(
      el("button", { type: "button", class: "plain back", on: { click: () => go({ text: 0 }) } }, icon("left"), el("span", {}, t("All recipes"))),
      el("h2", {}, recipe.title || t("without a title")), ...body(recipe),
      dishes, el("p", { class: "quiet-text source" }, recipe.source || ""),
    );
    text.scrollTop = 0;
    const pictures = await api.picturesOf(id, signal);
    if (!pictures.hits.length) {
      if (pictures.nothing_like_that) dishes.append(el("p", { class: "quiet-text" }, t("No picture here looks like a dish.")));
      dishes.hidden = !pictures.nothing_like_that;
      return;
    }
    dishes.append(el("ul", { class: "dishes" }, pictures.hits.map((hit) => {
      const link = el("a", { href: href({ page: "/", open: hit.id }), title: hit.path, on: { click: (event) => { if (event.ctrlKey || event.metaKey) return; event.preventDefault(); go({ open: hit.id }); } } },
        el("img", { src: thumbOf(hit.id), alt: nameOf(hit.path), loading: "lazy" }));
      makeDraggable(link, () => ({ image_id: hit.id, label: nameOf(hit.path) }));
      return el("li", {}, link);
    })));
    dishes.hidden = false;
  } catch (error) {
    if (isAborted(error)) return;
    if (!(error instanceof Problem)) throw error;
    if (text.childElementCount > 1) toast(error.message);
    else text.replaceChildren(el("p", { class: "problem" }, error.message));
  }
}

/** The parts of a text as far as it has them. */
function body(text) {
  const isRecipe = text.ingredients.length > 0;
  return [
    isRecipe && el("h3", {}, t("Ingredients")),
    isRecipe && el("ul", { class: "ingredients" }, text.ingredients.map((line) => el("li", {}, line))),
    isRecipe && text.body.length > 0 && el("h3", {}, t("Method")),
    isRecipe ? el("ol", {}, text.body.map((step) => el("li", {}, step))) : el("div", { class: "body" }, text.body.map((part) => el("p", {}, part))),
  ].filter(Boolean);
}

/** What the list and the article show now, so that neither is asked for twice. */
let listed = null, open = -1;

function follow() {
  if (state.page !== "/recipes") return;
  const now = JSON.stringify([state.dish, state.words, state.with, state.without]);
  if (listed !== now) {
    listed = now;
    Object.assign(asked, { q: state.words, with: state.with, without: state.without });
    for (const input of view.querySelectorAll(".fields input[name]")) if (input !== document.activeElement) input.value = asked[input.name];
    if (state.dish) Object.assign(asked, { upload: "", thumb: "", name: "" });
    drawDish();
    find();
  }
  if (open !== state.text) read(open = state.text);
}

/** Show the view. */
export function show() {
  if (!parts) {
    build();
    bus.addEventListener("dish", (event) => useFile(/** @type {CustomEvent} */ (event).detail));
  }
  follow();
}
