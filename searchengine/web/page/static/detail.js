// One picture and all that is known of it, in a dialog.

import { api, fileOf, isAborted, Problem, thumbOf } from "./api.js";
import { addTerm, HINT, makeDraggable } from "./chips.js";
import { byId, copyText, el, icon, iconButton, isTyping, nameOf, size } from "./dom.js";
import { cameraOf } from "./facets.js";
import { focusPicture, neighbours } from "./grid.js";
import { greatest, paint, wipe } from "./heat.js";
import { LANGUAGE, plural, t } from "./language.js";
import { bus, go, href, state } from "./state.js";
import { tagEditor } from "./tags.js";

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
  const found = neighbours(id);
  if (found.place >= 0) held = id;
  return found;
}
let asking = new AbortController();

const dates = new Intl.DateTimeFormat(LANGUAGE, { dateStyle: "long", timeStyle: "short", timeZone: "UTC" });
const dateOf = (text) => {
  const date = new Date(/[zZ]|[+-]\d\d:\d\d$/.test(text) ? text : `${text}Z`); // cameras know no time zones
  return Number.isNaN(date.getTime()) ? text : dates.format(date);
};

/** Fill a section once its answer is there; say in it what went wrong. */
async function fill(box, ask, draw) {
  const show = (...content) => { box.append(...content); box.hidden = false; box.removeAttribute("aria-busy"); };
  try {
    const content = draw(await ask());
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

function facts(image) {
  const rows = [];
  const row = (term, ...value) => rows.push(el("div", {}, el("dt", {}, term), el("dd", {}, ...value)));
  if (image.taken_at) row(t("Taken"), dateOf(image.taken_at));
  if (image.camera) row(t("Camera"), cameraOf(image.camera));
  if (image.lens) row(t("Lens"), image.lens);
  if (image.lat !== null && image.lat !== undefined) row(t("Place"), `${image.lat.toFixed(5)}, ${image.lon.toFixed(5)}`);
  if (image.width) row(t("Size"), `${image.width} × ${image.height}`, image.size ? ` · ${size(image.size)}` : "");
  if (image.format) row(t("Format"), image.format.toUpperCase());
  const copy = iconButton("copy", t("Copy the path"), () => copyText(image.path, t("Path")));
  row(t("Path"), el("span", { class: "path" }, image.path), copy);
  return el("dl", {}, rows);
}

/** The picture with what is painted over it. */
function stage(image, id, lose) {
  const first = image?.thumb ? thumbOf(id, 640) : thumbOf(id, 640);
  const picture = el("img", { class: "picture", src: first, alt: image ? image.name || nameOf(image.path) : "" });
  const canvas = el("canvas", { class: "overlay", "aria-hidden": "true" });
  const frame = el("div", { class: "frame" }, picture, canvas);
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

function explanation(answer, canvas) {
  const parts = answer.parts.filter((part) => part.grid?.length);
  if (!parts.length) return null;
  const most = greatest(parts.map((part) => part.grid));
  const sum = parts[0].grid.map((row, y) => row.map((_, x) => parts.reduce((all, part) => all + part.grid[y][x], 0)));
  const all = parts.length > 1 ? [{ label: t("all"), share: answer.score, grid: sum }, ...parts] : parts;
  const legend = el("p", { class: "legend", hidden: true }, t("against"), " ", el("span", { class: "ramp", "aria-hidden": "true" }), " ", t("for"));
  let held = -1;
  const buttons = all.map((part, index) => el("button", {
    type: "button", class: "part", "aria-pressed": "false",
    "aria-label": t("Show where {label} was found; share {share} of the score", { label: part.label, share: part.share.toFixed(2) }),
    on: { click: () => { held = held === index ? -1 : index; draw(); } },
  }, part.label, el("span", { class: "share" }, part.share.toFixed(2))));
  const draw = () => {
    buttons.forEach((button, index) => button.setAttribute("aria-pressed", String(index === held)));
    legend.hidden = held < 0;
    if (held < 0) wipe(canvas);
    else paint(canvas, all[held].grid, held === 0 && parts.length > 1 ? greatest([sum]) : most);
    canvas.dataset.shows = held < 0 ? "" : all[held].label;
  };
  bus.addEventListener("painted", (event) => { if (/** @type {CustomEvent} */ (event).detail !== buttons && held >= 0) { held = -1; buttons.forEach((one) => one.setAttribute("aria-pressed", "false")); legend.hidden = true; } }, { signal: asking.signal });
  return [el("div", { class: "parts" }, buttons), legend];
}

function captionOf(answer, canvas) {
  if (!answer.text) return null;
  const grids = answer.words.map((word) => word.attention).filter(Boolean);
  const most = grids.length ? greatest(grids) : 1;
  const show = (word) => () => {
    if (!word.attention) return;
    bus.dispatchEvent(new CustomEvent("painted", { detail: "caption" }));
    paint(canvas, word.attention, most);
    canvas.dataset.shows = word.word;
  };
  const hide = () => { wipe(canvas); canvas.dataset.shows = ""; };
  const text = el("p", { class: "caption" }, answer.words.flatMap((word, index) => {
    const node = word.attention
      ? el("button", { type: "button", class: "seen", "aria-label": t("{word}: show where the model looked", { word: word.word }), on: { pointerenter: show(word), focus: show(word), pointerleave: hide, blur: hide } }, word.word)
      : el("span", {}, word.word);
    return index ? [" ", node] : [node];
  }));
  const hint = grids.length ? t("Point at a word to see where the model looked.") : "";
  text.classList.toggle("unsure", !answer.sure);
  return [text, el("p", { class: "quiet-text" }, answer.sure ? hint : `${t("Not sure.")} ${hint}`)];
}

function textList(answer, id) {
  if (!answer.hits.length) return null;
  const all = { page: "/recipes", dish: id, text: 0, open: 0 };
  return [el("ul", { class: "texts" }, answer.hits.map((text) =>
    el("li", {}, el("a", { href: href({ page: "/recipes", text: text.id, open: 0 }), on: { click: (event) => { event.preventDefault(); go({ page: "/recipes", text: text.id, open: 0 }); } } }, text.title || t("without a title")),
      el("span", { class: "quiet-text" }, " ", text.kind === "recipe" ? t("recipe") : t("text"))))),
  answer.hits.some((text) => text.kind === "recipe") && el("a", { href: href(all), on: { click: (event) => { event.preventDefault(); go(all); } } }, t("More recipes for this dish"))].filter(Boolean);
}

async function show(id) {
  shown = id;
  asking.abort();
  asking = new AbortController();
  const { signal } = asking;
  const { before, after } = around(id);
  const step = (to, name, label) => iconButton(name, label, () => go({ open: to }, "replace"), { disabled: to === undefined, class: `quiet turn ${name}` });
  const panel = el("div", { class: "panel" });
  const place = el("div", { class: "stage" });
  const head = el("header", {}, el("h2", {}, t("Picture {id}", { id })), iconButton("close", t("Close"), () => dialog.close(), { class: "quiet close" }));
  const held = document.activeElement?.closest?.("#detail .turn")?.getAttribute("aria-label");
  dialog.replaceChildren(place, el("div", { class: "side" }, head, panel));
  if (!dialog.open) dialog.showModal();
  place.append(step(before, "left", t("Picture before")), step(after, "right", t("Next picture")));
  if (held) dialog.querySelector(`[aria-label="${held}"]`)?.focus();
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
  const { frame, canvas } = stage(image, id, lose);
  if (image.state !== "ok") lose();
  place.prepend(frame);
  const term = { image_id: id, label: name };
  const like = (symbol, text, weight) => el("button", { type: "button", class: "plain", on: { click: () => addTerm(term, weight) } }, icon(symbol), el("span", {}, text));
  const caption = awaited(t("Caption"), "captions"), why = awaited(t("Why it was found"), "why");
  const similar = section(t("Similar pictures"), "similar"), texts = section(t("Recipes and texts"), "matching");
  panel.append(
    el("div", { class: "actions" }, like("plus", t("More like this"), HINT), like("minus", t("Less like this"), -HINT),
      original),
    gone, caption, why,
    el("section", { class: "tags" }, el("h3", {}, t("Tags")), tagEditor(id, image.tags)),
    el("section", { class: "facts" }, el("h3", {}, t("About")), facts(image)),
  );
  const twins = image.near_duplicates || [], copies = image.copies || [];
  if (twins.length) panel.append(el("section", { class: "twins" }, el("h3", {}, t("Nearly the same")), strip(twins)));
  if (copies.length) panel.append(el("section", { class: "copies" }, el("h3", {}, plural(copies.length, "{n} exact copy", "{n} exact copies")), strip(copies.map((one) => ({ id: one })))));
  panel.append(similar, texts);
  if (state.q.trim()) fill(why, () => api.explain(id, state.q, signal), (answer) => explanation(answer, canvas));
  else why.remove();
  fill(caption, () => api.caption(id, signal), (answer) => captionOf(answer, canvas));
  fill(similar, () => api.similar(id, signal), (answer) => (answer.hits.length ? strip(answer.hits) : null));
  fill(texts, () => api.textsOf(id, signal), (answer) => textList(answer, id));
}

/** Show what the state says, if anything. */
export function syncDetail() {
  if (state.open === shown) return;
  if (state.open) show(state.open);
  else if (dialog.open) dialog.close();
}

/** Wire the dialog. */
export function startDetail() {
  dialog.addEventListener("close", () => {
    const last = held || shown;
    shown = held = 0;
    line = [];
    asking.abort();
    dialog.replaceChildren();
    if (state.open) {
      if (history.state?.below) history.go(-history.state.below); // to the one without the dialog
      else go({ open: 0 }, "replace");
    }
    focusPicture(last);
  });
  dialog.addEventListener("keydown", (event) => {
    if (isTyping(event.target) || event.ctrlKey || event.metaKey || event.altKey) return;
    const { before, after } = around(shown);
    if (event.key === "ArrowLeft" && before !== undefined) go({ open: before }, "replace");
    else if (event.key === "ArrowRight" && after !== undefined) go({ open: after }, "replace");
    else return;
    event.preventDefault();
  });
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
}
