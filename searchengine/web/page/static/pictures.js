// The view of the pictures: what was found, the filters beside it, and where the reader is in it.

import { byId, count, el } from "./dom.js";
import { showEmpty } from "./empty.js";
import { startFavourites } from "./favourites.js";
import { startGrid } from "./grid.js";
import { plural, t } from "./language.js";
import { coming, found, reached, sortedBy } from "./search.js";
import { startSelection } from "./selection.js";
import { bus, go, href, state } from "./state.js";

let isStarted = false, isComplete = false;
/** The filters beside the pictures, once they are wanted. @type {?Promise<void>} */
let filters = null;
/** The time line, once there was an answer that stands by date. @type {?Promise<void>} */
let timeline = null;

function showStatus() {
  const { answer, hits } = found;
  const sorted = sortedBy();
  byId("sort").value = sorted;
  byId("sort").querySelector("[value=match]").disabled = !state.q.trim();
  const total = typeof answer.total === "number" ? answer.total : null;
  const all = reached(), shown = total !== null && !found.cursor && total < all ? all : total;
  const number = shown === null && found.cursor ? t("{n}+ pictures", { n: count(all) }) : plural(shown ?? all, "{n} picture", "{n} pictures");
  for (const node of [byId("select"), byId("sort").parentElement]) node.hidden = !hits.length;
  byId("status").replaceChildren(...(hits.length ? [number, el("span", { class: "took" }, ` · ${Math.max(1, Math.round(answer.took_ms))} ms`)] : []));
}

/** Say first that a picture that was dropped is in the library, and where. */
function showCopies() {
  const copies = found.answer.copies || [], box = byId("copies");
  box.hidden = !copies.length;
  box.replaceChildren(...copies.map((copy) => el("a", { href: href({ page: "/", open: copy.id }), on: { click: (event) => { if (event.ctrlKey || event.metaKey) return; event.preventDefault(); go({ open: copy.id }); } } },
    el("img", { src: copy.thumb, alt: "", width: 64, height: 64 }), el("span", {}, el("strong", {}, t("You have this")), el("span", { class: "path" }, copy.path)))));
}

/** Keep a place for the time line beside pictures of several months that stand by date. */
function showTimeline() {
  const several = (found.answer.facets?.month || []).filter((one) => one.value !== null && one.count).length > 1;
  const isTimed = several && found.hits.length > 0 && sortedBy() !== "match";
  document.body.classList.toggle("timed", isTimed);
  if (isTimed && isComplete) timeline ||= import("./timeline.js").then((loaded) => loaded.startTimeline(), () => { timeline = null; });
}

function onAnswer() {
  showStatus();
  showCopies();
  showEmpty();
  showTimeline();
  bus.dispatchEvent(new CustomEvent("grid", { detail: { back: !coming.fresh } }));
  if (state.page === "/") {
    if (!coming.fresh) scrollTo(0, coming.place);
    else if (scrollY > 0) scrollTo(0, 0);
  }
  coming.fresh = true;
  startFavourites();
}

async function startFilters() {
  const [albums, facets] = await Promise.all([import("./albums.js"), import("./facets.js")]);
  albums.startAlbums();
  facets.startFacets();
  isComplete = true;
  if (found.answer) showTimeline();
}

/** Show the view, for the first time before any answer is asked for. */
export async function show() {
  if (!isStarted) start();
  // Behind a picture that is opened by its address nobody waits for filters.
  if (state.open && !filters) bus.addEventListener("rest", () => { withFilters().catch(() => {}); }, { once: true });
  else await withFilters();
}

/** Load the filters once; what failed is tried again the next time. */
function withFilters() {
  filters ||= startFilters().catch((error) => { filters = null; throw error; });
  return filters;
}

function start() {
  isStarted = true;
  startGrid();
  startSelection();
  byId("sort").addEventListener("change", () => go({ sort: byId("sort").value }));
  bus.addEventListener("answer", onAnswer);
  bus.addEventListener("problem", (event) => { if (!/** @type {CustomEvent} */ (event).detail.stays) onAnswer(); });
  bus.addEventListener("more", showStatus);
}
