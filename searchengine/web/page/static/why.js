// Why a picture was found: how likely a match it is, what each word of the query gave to that and
// where, and what the words of its caption looked at.

import { named } from "./chips.js";
import { el } from "./dom.js";
import { greatest, paint, wipe } from "./heat.js";
import { percents, plural, t } from "./language.js";
import { bus } from "./state.js";

const LITTLE = 0.05; // of all that the words gave, for and against: below it a word gives nothing
/** Words that only hold others together: folded away unless they gave something after all. */
const SMALL = new Set("a an and are at by for from in into is it of on or over some that the their this to under was were while with".split(" "));
const BANDS = { likely: t("Likely"), maybe: t("Maybe"), unlikely: t("Unlikely") };

/**
 * A match in words: 0.93 is "Likely: more than 9 in 10 like it are right".
 * @param {?{match: ?number, band: ?string}} hit
 * @param {boolean} ofPictures it was asked by a picture, of which a low match says less than of words
 */
export function likelihood(hit, ofPictures) {
  if (!hit || hit.match === null || hit.match === undefined || !hit.band) return "";
  if (ofPictures && hit.band === "unlikely") return t("Weakly alike");
  const tenths = Math.round(10 * hit.match);
  const odds = hit.match >= 0.9 ? t("more than 9 in 10 like it are right") : tenths < 1 ? t("fewer than 1 in 10 like it are right") : plural(tenths, "{n} in 10 like it is right", "{n} in 10 like it are right");
  return `${BANDS[hit.band]}: ${odds}`;
}

/** Whether the query has a word to subtract it only. @param {string} label @param {any[]} terms */
function isSubtracted(label, terms) {
  const having = terms.filter((term) => ` ${term.text ?? `#${term.image_id}`} `.toLowerCase().includes(` ${label.toLowerCase()} `));
  return having.length > 0 && having.every((term) => term.weight < 0);
}

/**
 * The words of the query, each of which shows where it was found.
 * @param {any} answer of the server @param {any[]} terms of the query @param {HTMLCanvasElement} canvas over the picture
 * @param {AbortSignal} signal aborted when another picture is shown
 */
export function explanation(answer, terms, canvas, signal) {
  const found = answer.parts.filter((part) => part.grid?.length);
  if (!found.length) return null;
  const given = found.reduce((sum, part) => sum + Math.abs(part.share), 0) || 1;
  const isSmall = (part) => SMALL.has(part.label.toLowerCase()) && Math.abs(part.share) < 3 * LITTLE * given;
  const parts = found.every(isSmall) ? found : found.filter((part) => !isSmall(part));
  const folded = found.filter((part) => !parts.includes(part));
  const most = greatest(found.map((part) => part.grid));
  const sum = found[0].grid.map((row, y) => row.map((_, x) => found.reduce((all, part) => all + part.grid[y][x], 0)));
  // A lone word is all there is: no need to say it twice.
  const all = [...(parts.length > 1 ? [{ label: t("all"), share: null, grid: sum, most: greatest([sum]) }] : []), ...parts, ...folded];
  const legend = el("p", { class: "legend", hidden: true }, t("against"), " ", el("span", { class: "ramp", "aria-hidden": "true" }), " ", t("for"));
  const nothing = el("p", { class: "quiet-text nothing", role: "status" });
  let held = -1;
  const buttons = all.map((part, index) => {
    const share = part.share === null ? "" : percents.format(part.share / given);
    const label = `${part.share !== null && isSubtracted(part.label, terms) ? "− " : ""}${named(part.label)}`;
    return el("button", {
      type: "button", class: "part", "aria-pressed": "false", hidden: folded.includes(part),
      "aria-label": share ? t("Show where {label} was found; it gave {share}", { label, share }) : t("Show where all of it was found"),
      on: { click: () => { held = held === index ? -1 : index; draw(); } },
    }, label, share && el("span", { class: "share" }, share));
  });
  const draw = () => {
    buttons.forEach((button, index) => button.setAttribute("aria-pressed", String(index === held)));
    const part = all[held];
    const isNothing = part && part.share !== null && Math.abs(part.share) < LITTLE * given;
    legend.hidden = !part || isNothing;
    nothing.textContent = isNothing ? t("{label} gave nothing: it was found nowhere in this picture.", { label: named(part.label) }) : "";
    if (part) paint(canvas, part.grid, part.most || most);
    else wipe(canvas);
    canvas.dataset.shows = part ? part.label : "";
  };
  bus.addEventListener("painted", (event) => {
    if (/** @type {CustomEvent} */ (event).detail === buttons || held < 0) return;
    held = -1;
    buttons.forEach((one) => one.setAttribute("aria-pressed", "false"));
    legend.hidden = true;
    nothing.textContent = "";
  }, { signal });
  const more = folded.length > 0 && el("button", {
    type: "button", class: "link rest",
    on: { click: () => { more.remove(); buttons.forEach((one) => { one.hidden = false; }); buttons.at(-folded.length).focus(); } },
  }, plural(folded.length, "{n} small word", "{n} small words"));
  return [el("div", { class: "parts" }, buttons, more), legend, nothing];
}

/** A caption whose words show where the model looked. @param {any} answer @param {HTMLCanvasElement} canvas */
export function captionOf(answer, canvas) {
  if (!answer.text) return null;
  const grids = answer.words.map((word) => word.attention).filter(Boolean);
  const most = grids.length ? greatest(grids) : 1;
  const show = (word) => () => {
    bus.dispatchEvent(new CustomEvent("painted", { detail: "caption" }));
    paint(canvas, word.attention, most);
    canvas.dataset.shows = word.word;
  };
  const hide = () => { wipe(canvas); canvas.dataset.shows = ""; };
  const text = el("p", { class: answer.sure ? "caption" : "caption unsure" }, answer.words.flatMap((word, index) => {
    const node = word.attention && !SMALL.has(word.word.toLowerCase()) // too small to be pointed at
      ? el("button", { type: "button", class: "seen", "aria-label": t("{word}: show where the model looked", { word: word.word }), on: { pointerenter: show(word), focus: show(word), pointerleave: hide, blur: hide } }, word.word)
      : el("span", {}, word.word);
    return index ? [" ", node] : [node];
  }));
  const hint = grids.length ? t("Point at a word to see where the model looked.") : "";
  return [text, el("p", { class: "quiet-text" }, answer.sure ? hint : `${t("Not sure.")} ${hint}`)];
}
