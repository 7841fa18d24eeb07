// Whether the server is there, and whether its library has changed: asked every few seconds while
// somebody looks. A server that went away is asked again, less and less often, until it is back.

import { api, Problem } from "./api.js";
import { byId, el } from "./dom.js";
import { t } from "./language.js";
import { found, run } from "./search.js";
import { bus, state } from "./state.js";

const EVERY = 3000; // ms between two looks at a server that answers
const SOON = 1000, LATE = 15000; // ms until it is asked again when it does not, at first and at most
const TOP = 200; // pixels from the top of the page, below which nothing is moved under a reader

/** @type {?{revision: number, pictures: number, server: string}} */
let known = null;
let isAway = false, isLooking = false;
let due = false; // something is new, and not shown yet
let wait = SOON, timer = 0;

const strip = byId("away");

function again(after) {
  clearTimeout(timer);
  timer = setTimeout(look, after);
}

async function look() {
  if (document.hidden || isLooking) return; // somebody who comes back looks
  isLooking = true;
  try {
    const now = await api.revision();
    const isNew = known && (now.revision !== known.revision || now.pictures !== known.pictures);
    if (isAway || isNew || now.server !== (known || now).server) due = true;
    known = now;
    if (isAway) cameBack();
    show(!isNew);
    again(EVERY);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    if (error.status !== 404) retry(); // 404: a server that cannot tell
  } finally {
    isLooking = false;
  }
}

function retry() {
  again(wait);
  wait = Math.min(2 * wait, LATE);
}

function lost() {
  if (isAway) return;
  isAway = true;
  strip.replaceChildren(
    el("span", {}, t("The server is away. The page goes on as soon as it is back.")),
    el("button", { type: "button", class: "link", on: { click: () => { wait = SOON; look(); } } }, t("Try now")),
  );
  strip.hidden = false;
  if (!isLooking) retry();
}

function cameBack() {
  isAway = false;
  strip.hidden = true;
  bus.dispatchEvent(new CustomEvent("back"));
}

/**
 * Show what is new if that moves nothing under a reader.
 * @param {boolean} isQuiet nothing has changed since the last look: a map is worth drawing anew
 */
function show(isQuiet) {
  if (!due || document.querySelector("dialog[open]")) return;
  if (found.problem) run();
  else if (state.page === "/" ? scrollY > TOP : !isQuiet) return;
  else bus.dispatchEvent(new CustomEvent("indexed"));
  due = false;
}

/** Begin to look. */
export function startLive() {
  bus.addEventListener("away", lost);
  bus.addEventListener("answer", () => { wait = SOON; });
  document.addEventListener("visibilitychange", () => { if (!document.hidden) look(); });
  addEventListener("online", look);
  look();
}
