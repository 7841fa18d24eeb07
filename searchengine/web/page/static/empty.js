// What stands in place of pictures: why there are none, and what can be done about it.

import { told } from "./box.js";
import { byId, el } from "./dom.js";
import { filled, t } from "./language.js";
import { found, run } from "./search.js";
import { bus, go, state } from "./state.js";

const EXAMPLES = [t("beach at sunset"), t("dog - grass + snow"), t("red car")];
const button = (text, act) => el("button", { type: "button", class: "main", on: { click: act } }, text);
const big = (text) => el("p", { class: "big" }, text);

/** A library without pictures: what this is, what can be asked, and where pictures may be. */
function firstHour(box) {
  if (box.querySelector(".first")) return; // somebody may be choosing a folder
  const [one, two, three] = EXAMPLES.map((text) => el("q", {}, text));
  const first = el("div", { class: "first" }, big(t("No pictures here yet.")),
    el("p", {}, t("Choose a folder: its pictures are read, and found by what is in them. Nothing is changed in it, and nothing leaves this computer.")),
    el("p", { class: "examples" }, filled("Then ask for {one}, {two} or {three}.", { one, two, three })));
  box.replaceChildren(first);
  if (document.body.dataset.local !== "yes") {
    first.append(el("p", {}, filled("Index a folder on the server: {command}", { command: el("code", {}, "lexpix index FOLDER") })));
    return;
  }
  bus.dispatchEvent(new CustomEvent("choose-folder", { detail: first }));
}

/** Show it, or nothing where there are pictures. */
export function showEmpty() {
  const { answer, hits } = found, box = byId("empty"), grid = byId("grid");
  grid.hidden = !hits.length;
  box.hidden = hits.length > 0 && !answer.nothing_like_that;
  box.classList.toggle("failed", Boolean(found.problem));
  box.classList.toggle("small", hits.length > 0);
  const filtered = Object.keys(state.filters).length > 0;
  const isFirst = !box.hidden && !found.problem && !answer.nothing_like_that && !filtered && !state.q.trim();
  document.body.classList.toggle("first-hour", isFirst); // nothing to sort, select or filter yet
  if (isFirst) return firstHour(box);
  box.replaceChildren();
  if (box.hidden) return;
  if (found.problem) {
    const { status } = found.problem;
    box.append(...told(found.problem), status >= 400 && status < 500 ? "" : button(t("Try again"), () => run()));
  } else if (answer.nothing_like_that) {
    box.append(big(t("Nothing here looks like that.")));
    box.append(hits.length ? el("p", {}, t("These are the nearest all the same.")) : button(t("Show the nearest all the same"), () => go({ unlikely: true })));
  } else if (filtered) box.append(big(t("No picture passes these filters.")), button(t("Clear filters"), () => go({ filters: {} })));
  else box.append(big(t("No picture was found.")));
}
