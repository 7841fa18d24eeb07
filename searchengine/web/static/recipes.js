// Recipes: find them by words or by a picture of a dish, and dishes by a recipe.

import { api, isAborted, Problem, thumbOf } from "./api.js";
import { makeDraggable } from "./chips.js";
import { byId, debounce, el, icon, nameOf, toast } from "./dom.js";
import { bus, go, href, state } from "./state.js";

const view = byId("view-recipes");
const asked = { q: "", with: "", without: "", upload: "", thumb: "", name: "", image_id: 0 };
let asking = new AbortController();
let reading = new AbortController();
let parts = null;

function build() {
  const field = (name, label, placeholder) => el("label", { class: "field" }, el("span", {}, label),
    el("input", { type: "search", placeholder, value: asked[name], name, on: { input: (event) => { asked[name] = event.target.value; later(); } } }));
  const file = el("input", { type: "file", accept: "image/*", hidden: true, on: { change: () => { if (file.files[0]) useFile(file.files[0]); file.value = ""; } } });
  const dish = el("div", { class: "dish" });
  const list = el("ul", { class: "cards", "aria-label": "Recipes found" });
  const status = el("p", { role: "status", class: "quiet-text" });
  const text = el("article", { class: "recipe", hidden: true, tabIndex: -1 });
  view.replaceChildren(
    el("h1", { class: "sr" }, "Recipes"),
    el("div", { class: "finder" },
      el("form", { class: "fields", role: "search", "aria-label": "Search recipes", on: { submit: (event) => { event.preventDefault(); find(); } } },
        field("q", "Recipe", "lentil soup"), field("with", "With", "rice, lemon"), field("without", "Without", "nuts"),
        el("div", { class: "field" }, el("span", {}, "Dish"), dish, file)),
      status, list),
    text,
  );
  parts = { list, status, text, dish, file };
  drawDish();
}

function drawDish() {
  const { dish, file } = parts;
  const has = asked.upload || asked.image_id;
  dish.replaceChildren(...(has
    ? [el("img", { src: asked.image_id ? thumbOf(asked.image_id, 160) : asked.thumb, alt: "", width: 44, height: 44 }), el("span", {}, asked.name),
      el("button", { type: "button", class: "link", on: { click: () => { Object.assign(asked, { upload: "", image_id: 0, thumb: "", name: "" }); drawDish(); find(); } } }, "Remove")]
    : [el("button", { type: "button", class: "plain", on: { click: () => file.click() } }, icon("picture"), el("span", {}, "A picture of it"))]));
}

async function useFile(file) {
  try {
    const { upload, thumb } = await api.upload(file);
    Object.assign(asked, { upload, thumb, image_id: 0, name: file.name || "your picture" });
    drawDish();
    find();
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    toast(error.message);
  }
}

const list = (text) => text.split(",").map((one) => one.trim()).filter(Boolean);

async function find() {
  later.cancel();
  asking.abort();
  asking = new AbortController();
  const { signal } = asking;
  const conditions = { with: list(asked.with), without: list(asked.without), limit: 40 };
  const byDish = asked.upload ? { upload: asked.upload } : asked.image_id ? { image_id: asked.image_id } : null;
  try {
    let answer = null;
    if (byDish) answer = await api.recipes({ ...byDish, ...conditions }, signal);
    else if (asked.q.trim()) answer = conditions.with.length || conditions.without.length
      ? await api.recipes({ q: asked.q, ...conditions }, signal)
      : await api.texts({ q: asked.q, kind: "recipe", limit: 40 }, signal);
    draw(answer);
  } catch (error) {
    if (isAborted(error)) return;
    if (!(error instanceof Problem)) throw error;
    parts.list.replaceChildren();
    parts.status.textContent = error.message;
  }
}
const later = debounce(find, 200);

function draw(answer) {
  parts.list.replaceChildren(...(answer?.hits || []).map((hit) => el("li", {},
    el("a", {
      href: href({ page: "/recipes", text: hit.id }), class: "card", "aria-current": hit.id === state.text ? "true" : "false",
      on: { click: (event) => { if (event.ctrlKey || event.metaKey) return; event.preventDefault(); go({ text: hit.id }); } },
    }, el("strong", {}, hit.title || "without a title"), el("span", { class: "quiet-text" }, nameOf(hit.source || ""))))));
  const unknown = (answer?.unknown_words || []).map((one) => one.word);
  parts.status.textContent = !answer ? "Describe a dish, or show a picture of it."
    : unknown.length ? `Not known: ${unknown.join(", ")}` : answer.hits.length ? "" : "No recipe was found.";
}

/** Show a recipe, and the pictures of dishes that are near it. */
async function read(id) {
  reading.abort();
  reading = new AbortController();
  const { signal } = reading;
  const { text } = parts;
  text.hidden = !id;
  view.classList.toggle("reading", Boolean(id));
  for (const card of parts.list.querySelectorAll(".card")) card.setAttribute("aria-current", String(card.href.endsWith(`text=${id}`)));
  if (!id) return;
  try {
    const recipe = await api.text(id, signal);
    const dishes = el("section", { hidden: true }, el("h3", {}, "Dishes like it"));
    text.replaceChildren(
      el("button", { type: "button", class: "plain back", on: { click: () => go({ text: 0 }) } }, icon("left"), el("span", {}, "All recipes")),
      el("h2", {}, recipe.title || "without a title"), ...body(recipe),
      dishes, el("p", { class: "quiet-text source" }, recipe.source || ""),
    );
    text.scrollTop = 0;
    const pictures = await api.picturesOf(id, signal);
    if (!pictures.hits.length) return;
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

/** The parts of a recipe as far as they are known. */
function body(recipe) {
  const nodes = [];
  const fields = recipe.fields || {};
  const ingredients = recipe.ingredients || fields.ingredients, steps = recipe.steps || fields.steps || fields.instructions;
  const lines = (value) => (Array.isArray(value) ? value : String(value || "").split("\n")).map((line) => (typeof line === "string" ? line : line.text || line.name || "")).filter((line) => line.trim());
  if (ingredients && lines(ingredients).length) nodes.push(el("h3", {}, "Ingredients"), el("ul", { class: "ingredients" }, lines(ingredients).map((line) => el("li", {}, line))));
  if (steps && lines(steps).length) nodes.push(el("h3", {}, "Method"), el("ol", {}, lines(steps).map((line) => el("li", {}, line))));
  if (!nodes.length && recipe.body) nodes.push(el("p", { class: "body" }, recipe.body));
  return nodes;
}

/** Show the view. */
export function showRecipes() {
  if (!parts) {
    build();
    draw(null);
    bus.addEventListener("state", () => { if (state.page === "/recipes") read(state.text); });
  }
  read(state.text);
}
