// One picture and all that is known of it, in a dialog.

import { api, fileOf, isAborted, Problem, thumbOf } from "./api.js";
import { addTerm, HINT, makeDraggable } from "./chips.js";
import { byId, el, icon, iconButton, isTyping, nameOf } from "./dom.js";
import { facts } from "./facts.js";
import { isFavourite, startFavourites, TAG, toggleFavourite } from "./favourites.js";
import { clock, plural, t } from "./language.js";
import { found, neighbours } from "./search.js";
import { bus, go, href, state } from "./state.js";
import { tagEditor } from "./tags.js";
import { clear, fill as fillScreen, isWhole, isZoomed, pan, reset, mount, stage, zoom } from "./viewer.js";

/** What tells why a picture was found; the picture itself comes first. */
const reasons = () => import("./why.js");
const SHOWN_BY_BROWSERS = new Set(["jpeg", "jpg", "png", "webp", "gif", "avif", "bmp"]);
const dialog = /** @type {HTMLDialogElement} */ (byId("detail"));
let shown = 0;
let held = 0; // the last one that was shown and is in the grid
/** The pictures of a strip that one was opened from: arrows go along it. @type {number[]} */
let line = [];

/** What is before and after a picture: in the strip that it was opened from, else in the grid. @param {number} id */
function around(id) {
  const at = line.indexOf(id);
  if (at >= 0) return { before: line[at - 1], after: line[at + 1] };
  line = [];
  const beside = neighbours(id);
  if (beside.place >= 0) held = id;
  return beside;
}
let asking = new AbortController();

/** Fill a section once its answer is there; say in it what went wrong. */
async function fill(box, ask, draw) {
  const show = (...content) => { box.append(...content); box.hidden = false; box.removeAttribute("aria-busy"); };
  try {
    const content = await draw(await ask());
    if (content === null) box.remove();
    else show(...[content].flat());
  } catch (error) {
    if (isAborted(error)) return;
    if (!(error instanceof Problem)) throw error;
    if (error.status === 404 || error.status === 409 || error.status === 503) box.remove(); // this library has no such thing
    else show(el("p", { class: "quiet-text" }, error.message));
  }
}

const section = (title, name) => el("section", { class: name, hidden: true }, el("h3", {}, title));
/** A section above others: it is there from the start, so that nothing below moves under a pointer. */
const awaited = (title, name) => el("section", { class: name, "aria-busy": "true" }, el("h3", {}, title));

function strip(pictures) {
  return el("ul", { class: "strip" }, pictures.map((one) => {
    const name = one.path ? nameOf(one.path) : t("picture {id}", { id: one.id });
    const link = el("a", { href: href({ page: "/", open: one.id }), title: one.path || "", on: { click: (event) => { if (event.ctrlKey || event.metaKey) return; event.preventDefault(); line = pictures.map((other) => other.id); go({ open: one.id }); } } },
      el("img", { src: thumbOf(one.id, 160), alt: name, loading: "lazy", width: 96, height: 72, draggable: false }));
    makeDraggable(link, () => ({ image_id: one.id, label: name }));
    return el("li", {}, link);
  }));
}

/** Of a film, the hit whose frame is shown; null if it is the one that stands for it. */
const answering = (id) => found.hits.find((hit) => hit.id === id && /&at=/.test(hit.thumb)) || null;

/** The picture with what is painted over it. */
function framed(image, id, lose) {
  const hit = found.hits.find((one) => one.id === id);
  const src = answering(id)?.thumb.replace("size=320", "size=640") || thumbOf(id, 640);
  const picture = el("img", { class: "picture", src, alt: image ? image.name || nameOf(image.path) : "" });
  const canvas = el("canvas", { class: "overlay", "aria-hidden": "true" });
  const time = typeof hit?.at === "number" && el("span", { class: "time" }, clock(hit.at));
  const frame = el("div", { class: "frame" }, picture, canvas, time);
  picture.addEventListener("error", () => { lose(); frame.classList.add("gone"); picture.replaceWith(el("p", {}, t("There is no picture to show."))); });
  if (image?.width && SHOWN_BY_BROWSERS.has((image.format || "").toLowerCase())) {
    const whole = new Image();
    whole.onload = () => { picture.src = whole.src; };
    whole.onerror = lose;
    whole.src = fileOf(id);
  }
  if (image?.width) {
    frame.style.aspectRatio = `${image.width} / ${image.height}`;
    frame.style.setProperty("--shape", String(image.width / image.height));
  }
  makeDraggable(picture, () => ({ image_id: id, label: image ? nameOf(image.path) : undefined }));
  return { frame, canvas };
}

function textList(answer, id) {
  if (!answer.hits.length) return null;
  const all = { page: "/recipes", dish: id, text: 0, open: 0 };
  return [el("ul", { class: "texts" }, answer.hits.map((text) =>
    el("li", {}, el("a", { href: href({ page: "/recipes", text: text.id, open: 0 }), on: { click: (event) => { event.preventDefault(); go({ page: "/recipes", text: text.id, open: 0 }); } } }, text.title || t("without a title")),
      el("span", { class: "quiet-text" }, " ", text.kind === "recipe" ? t("recipe") : t("text"))))),
  answer.hits.some((text) => text.kind === "recipe") && el("a", { href: href(all), on: { click: (event) => { event.preventDefault(); go(all); } } }, t("More recipes for this dish"))].filter(Boolean);
}

/** A button that makes a picture a favourite. */
function loved(id, signal) {
  const button = el("button", { type: "button", class: "plain heart", "aria-keyshortcuts": "f", on: { click: () => toggleFavourite(id) } }, icon("heart"), el("span", {}, t("Favourite")));
  const draw = () => button.setAttribute("aria-pressed", String(isFavourite(id)));
  bus.addEventListener("favourites", draw, { signal });
  draw();
  return button;
}

async function show(id) {
  shown = id;
  asking.abort();
  asking = new AbortController();
  const { signal } = asking;
  const { before, after } = around(id);
  const step = (to) => { if (to !== undefined) go({ open: to }, "replace"); };
  const turn = (to, name, label) => iconButton(name, label, () => step(to), { disabled: to === undefined, class: `quiet turn ${name}` });
  const panel = el("div", { class: "panel" });
  const head = el("header", {}, el("h2", { tabIndex: -1 }, t("Picture {id}", { id })), iconButton("close", t("Close"), () => dialog.close(), { class: "quiet close" }));
  clear([turn(before, "left", t("Picture before")), turn(after, "right", t("Next picture"))], (way) => step(way < 0 ? before : after));
  const side = el("div", { class: "side" }, head, panel);
  if (stage.parentElement === dialog) dialog.querySelector(".side").replaceWith(side);
  else dialog.replaceChildren(stage, side);
  const isNew = !dialog.open;
  if (isNew) dialog.showModal();
  // What it is, before what can be done with it; also if what had the keyboard is gone.
  if (isNew || !dialog.contains(document.activeElement)) head.querySelector("h2").focus();
  let image;
  try {
    image = await api.image(id, signal);
  } catch (error) {
    if (isAborted(error)) return;
    if (!(error instanceof Problem)) throw error;
    panel.append(el("p", { class: "problem" }, error.message));
    return;
  }
  const name = image.name || nameOf(image.path);
  head.querySelector("h2").textContent = name;
  dialog.setAttribute("aria-label", name);
  const original = el("a", { class: "plain", href: fileOf(id), download: name }, icon("down"), el("span", {}, t("Original")));
  const gone = el("p", { class: "problem gone", role: "status", hidden: true }, t("The file is not there any more, or has changed since it was indexed."));
  const lose = () => {
    gone.hidden = false;
    original.removeAttribute("href");
    original.setAttribute("aria-disabled", "true");
    original.setAttribute("role", "link");
  };
  const { frame, canvas } = framed(image, id, lose);
  if (image.state !== "ok") lose();
  mount(frame);
  const term = { image_id: id, label: name };
  const like = (symbol, text, weight) => el("button", { type: "button", class: "plain", on: { click: () => addTerm(term, weight) } }, icon(symbol), el("span", {}, text));
  const caption = awaited(t("Caption"), "captions"), why = awaited(t("Why it was found"), "why");
  const tags = el("section", { class: "tags" }, el("h3", {}, t("Tags")), tagEditor(id, image.tags));
  bus.addEventListener("favourites", async () => {
    // What the key has changed is a tag as well.
    if (isFavourite(id) === image.tags.some((tag) => tag.name === TAG && tag.source === "user")) return;
    image.tags = (await api.image(id, signal).catch(() => image)).tags;
    if (!signal.aborted) tags.lastElementChild.replaceWith(tagEditor(id, image.tags));
  }, { signal });
  const similar = section(t("Similar pictures"), "similar"), texts = section(t("Recipes and texts"), "matching");
  panel.append(
    el("div", { class: "actions" }, like("plus", t("More like this"), HINT), like("minus", t("Less like this"), -HINT),
      loved(id, signal), original),
    gone, caption, why,
    tags,
    el("section", { class: "facts" }, el("h3", {}, t("About")), facts(image)),
  );
  const twins = image.near_duplicates || [], copies = image.copies || [];
  if (twins.length) panel.append(el("section", { class: "twins" }, el("h3", {}, t("Nearly the same")), strip(twins)));
  if (copies.length) panel.append(el("section", { class: "copies" }, el("h3", {}, plural(copies.length, "{n} exact copy", "{n} exact copies")), strip(copies.map((one) => ({ id: one })))));
  panel.append(similar, texts);
  const terms = found.answer?.terms || [];
  const tell = async () => {
    const { explanation, likelihood } = await reasons();
    if (signal.aborted) return;
    const match = likelihood(found.hits.find((hit) => hit.id === id) || null, terms.some((term) => term.text === undefined));
    if (match) why.append(el("p", { class: "match" }, match));
    fill(why, () => api.explain(id, state.q, signal), (answer) => explanation(answer, terms, canvas, signal));
  };
  if (state.q.trim()) tell();
  else why.remove();
  // A caption is of the frame that stands for a film: nothing of it can be pointed at on another.
  const onPicture = (answer) => (answering(id) ? { ...answer, words: answer.words.map((word) => ({ ...word, attention: null })) } : answer);
  fill(caption, () => api.caption(id, signal), async (answer) => (await reasons()).captionOf(onPicture(answer), canvas));
  fill(similar, () => api.similar(id, signal), (answer) => (answer.hits.length ? strip(answer.hits) : null));
  fill(texts, () => api.textsOf(id, signal), (answer) => textList(answer, id));
}

/** Show what the state says, if anything; done when the picture is there. */
export async function syncDetail() {
  if (state.open === shown) return;
  if (state.open) await show(state.open);
  else if (dialog.open) dialog.close();
}

/** Wire the dialog. */
export function startDetail() {
  startFavourites();
  dialog.addEventListener("close", () => {
    const last = held || shown;
    shown = held = 0;
    line = [];
    asking.abort();
    if (isWhole()) fillScreen(false);
    dialog.replaceChildren();
    if (state.open) {
      if (history.state?.below) history.go(-history.state.below); // to the one without the dialog
      else go({ open: 0 }, "replace");
    }
    bus.dispatchEvent(new CustomEvent("focus-picture", { detail: last }));
  });
  // Esc takes back one thing at a time: the full screen, what is enlarged, the dialog.
  dialog.addEventListener("cancel", (event) => {
    if (!isWhole() && !isZoomed()) return;
    event.preventDefault();
    if (isWhole()) fillScreen(false);
    else reset();
  });
  const STEP = 80;
  const moves = { ArrowLeft: [STEP, 0], ArrowRight: [-STEP, 0], ArrowUp: [0, STEP], ArrowDown: [0, -STEP] };
  const keys = { f: () => toggleFavourite(shown), "+": () => zoom(1.5), "=": () => zoom(1.5), "-": () => zoom(1 / 1.5), 0: reset };
  // Of the window, for a click beside what takes the keyboard leaves it to the whole page.
  addEventListener("keydown", (event) => {
    if (!dialog.open || byId("sheet")?.hasAttribute("open") || isTyping(event.target) || event.ctrlKey || event.metaKey || event.altKey) return;
    const { before, after } = around(shown);
    if (moves[event.key] && isZoomed()) pan(...moves[event.key]);
    else if (event.key === "ArrowLeft" && before !== undefined) go({ open: before }, "replace");
    else if (event.key === "ArrowRight" && after !== undefined) go({ open: after }, "replace");
    else if (keys[event.key]) keys[event.key]();
    else return;
    event.preventDefault();
  });
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
}
