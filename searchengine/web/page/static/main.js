// Starts the page, and shows what the state says: which view, which answer, which place in it.

import { startAlbums } from "./albums.js";
import { startBox } from "./box.js";
import { named, startChips } from "./chips.js";
import { byId, count, debounce, el, icon, isTyping, toast } from "./dom.js";
import { startDrop } from "./drop.js";
import { showEmpty } from "./empty.js";
import { foldFacets, startFacets } from "./facets.js";
import { readFavourites } from "./favourites.js";
import { startGrid } from "./grid.js";
import { plural, t } from "./language.js";
import { found, reached, run, sortedBy } from "./search.js";
import { clearSelection, selectedCount, startSelection } from "./selection.js";
import { bus, go, href, questionOf, state } from "./state.js";

const VIEWS = {
  "/": "search", "/map": "map", "/world": "world", "/recipes": "recipes", "/duplicates": "duplicates",
};
const TITLES = {
  "/": t("Pictures"), "/map": t("Map"), "/world": t("Map of the world"), "/recipes": t("Recipes"),
  "/duplicates": t("Duplicates"),
};
let rest = null, detail = null;
/** What no answer waits for; loaded once, after the first answer or when it is needed. */
const later = () => (rest ||= loadRest().catch((error) => {
  rest = null; // the next click tries again
  missed();
  throw error;
}));
const missed = () => toast(t("A part of the page could not be loaded. Reload it."));
/** Where the reader was in the list, if the next answer is one seen before. */
let place = history.state?.scroll || 0;
let wanted = history.state?.count || 0;
let fresh = true; // the next answer is a new one: begin at its top

history.scrollRestoration = "manual";

/** Show the view of the state, and load its script when it is wanted for the first time. */
async function showView() {
  const view = VIEWS[state.page] || "search";
  for (const name of Object.values(VIEWS)) byId(`view-${name}`).hidden = name !== view;
  document.body.dataset.view = view;
  document.title = `${state.q && view === "search" ? named(state.q) : TITLES[state.page] || "lexpix"} - lexpix`;
  for (const link of document.querySelectorAll("nav [data-view]")) {
    const path = link.dataset.view;
    if (path === state.page || (path === "/map" && state.page === "/world")) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
    link.href = href({ page: path, open: 0, text: 0 });
  }
  if (view === "world") (await import("./world.js")).showWorld();
  if (view === "map") (await import("./map.js")).showMap();
  if (view === "recipes") (await import("./recipes.js")).showRecipes();
  if (view === "duplicates") (await import("./duplicates.js")).showDuplicates();
}

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
  document.body.classList.toggle("timed", several && found.hits.length > 0 && sortedBy() !== "match");
}

function onAnswer() {
  document.body.classList.remove("asking");
  showStatus();
  showCopies();
  showEmpty();
  showTimeline();
  bus.dispatchEvent(new CustomEvent("grid", { detail: { back: !fresh } }));
  if (!fresh) scrollTo(0, place);
  else if (scrollY > 0 && state.page === "/") scrollTo(0, 0);
  fresh = true;
}

function onProblem({ error, stays }) {
  if (!stays) return onAnswer();
  document.body.classList.remove("asking");
  return error.status && toast(error.message, { label: t("Try again"), run: () => run() });
}

function onState({ before, how }) {
  showView();
  if (questionOf(before) !== questionOf(state)) {
    fresh = how !== "pop";
    place = how === "pop" ? history.state?.scroll || 0 : 0;
    run({ atLeast: fresh ? 0 : history.state?.count || 0 });
  } else if (before.page !== state.page) {
    // Laid out while hidden, it had no width.
    if (state.page === "/" && found.answer) {
      bus.dispatchEvent(new CustomEvent("grid", { detail: { back: true } }));
      scrollTo(0, how === "pop" ? history.state?.scroll || 0 : 0);
    } else scrollTo(0, 0);
  }
  later();
  showDetail();
}

/** Open, change or close the view of a picture; its scripts are loaded for the first one. */
async function showDetail() {
  if (!state.open && !detail) return;
  detail ||= import("./detail.js").then((loaded) => { loaded.startDetail(); return loaded; });
  try {
    (await detail).syncDetail();
  } catch (error) {
    detail = null; // the next click tries again
    missed();
    throw error;
  }
}

/** Links of the page change the state, not the document. */
function onLink(event) {
  const link = event.target.closest?.("a[data-view], a.brand");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  if (link.classList.contains("brand")) go({ page: "/", q: "", filters: {}, sort: "", unlikely: false, open: 0, text: 0 });
  else go({ page: link.dataset.view, open: 0, text: 0 });
}

const THEMES = ["auto", "light", "dark"];
const LOOKS = { auto: ["auto", t("Colours: as the system")], light: ["sun", t("Colours: light")], dark: ["moon", t("Colours: dark")] };
function showTheme(theme) {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  const [symbol, name] = LOOKS[theme];
  byId("theme").replaceChildren(icon(symbol));
  byId("theme").setAttribute("aria-label", name);
  byId("theme").title = name;
  bus.dispatchEvent(new CustomEvent("theme"));
}

function startTheme() {
  let theme = document.documentElement.dataset.theme || "auto";
  showTheme(theme);
  byId("theme").addEventListener("click", () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % 3];
    try { localStorage.setItem("lexpix.theme", theme); } catch { /* this time only */ }
    showTheme(theme);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => bus.dispatchEvent(new CustomEvent("theme")));
}

/** The choice of a language is kept by a cookie, for the server writes the shell. */
function startLanguage() {
  const select = byId("language");
  select.addEventListener("change", () => {
    document.cookie = `lexpix_language=${select.value}; path=/; max-age=31536000; samesite=strict`;
    location.reload();
  });
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target) || document.querySelector("dialog[open]")) return;
  const arrows = ["ArrowDown", "ArrowRight", "ArrowUp", "ArrowLeft"].includes(event.key);
  if (arrows && state.page === "/" && [document.body, byId("main")].includes(document.activeElement)) bus.dispatchEvent(new CustomEvent("enter-grid"));
  else if (event.key === "/") byId("q").select();
  else if (event.key === "?") showHelp();
  else if (event.key === "Escape" && document.body.classList.contains("facets-open")) foldFacets();
  else if (event.key === "Escape" && selectedCount()) clearSelection();
  else if (event.key === "Escape") byId("q").focus();
  else return;
  event.preventDefault();
}

const keepPlace = debounce(() => history.replaceState({ ...history.state, scroll: scrollY, count: found.hits.length }, ""), 150);

startTheme();
startLanguage();
startAlbums();
startBox();
startChips();
startFacets();
startGrid();
startDrop();
startSelection();
document.addEventListener("click", onLink);
addEventListener("keydown", onKey);
addEventListener("scroll", keepPlace, { passive: true });
document.querySelector(".skip").addEventListener("click", (event) => {
  if (state.page !== "/" || !found.hits.length) return; // the browser goes to the main part
  event.preventDefault();
  bus.dispatchEvent(new CustomEvent("enter-grid"));
});
byId("help-button").addEventListener("click", showHelp);
bus.addEventListener("add-folder", async () => (await later()).askFolder());
bus.addEventListener("choose-folder", async (event) => (await later()).chooseFolder(/** @type {CustomEvent} */ (event).detail));
byId("sort").addEventListener("change", () => go({ sort: byId("sort").value }));
bus.addEventListener("state", (event) => onState(/** @type {CustomEvent} */ (event).detail));
bus.addEventListener("asking", () => document.body.classList.add("asking"));
bus.addEventListener("answer", onAnswer);
bus.addEventListener("problem", (event) => onProblem(/** @type {CustomEvent} */ (event).detail));
bus.addEventListener("more", showStatus);
bus.addEventListener("stuck", (event) => /** @type {CustomEvent} */ (event).detail.error.status && toast(/** @type {CustomEvent} */ (event).detail.error.message, { label: t("Try again"), run: () => run({ atLeast: found.hits.length }) }));
bus.addEventListener("indexed", () => { fresh = false; place = scrollY; run({ atLeast: found.hits.length, quiet: true }); });
new ResizeObserver(([entry]) => document.documentElement.style.setProperty("--top", `${Math.round(entry.borderBoxSize[0].blockSize)}px`)).observe(byId("top"));

async function loadRest() {
  const [jobs, live, timeline] = await Promise.all(["jobs", "live", "timeline"].map((name) => import(`./${name}.js`)));
  jobs.startJobs();
  live.startLive();
  timeline.startTimeline();
  readFavourites();
  for (const told of ["tagged", "indexed"]) bus.addEventListener(told, readFavourites);
  return jobs;
}

async function showHelp() {
  const help = await import("./help.js").catch(missed);
  help?.showHelp();
}

fresh = !place;
const first = run({ atLeast: wanted });
showView();
// It would only hold up what everybody waits for; but an answer that is late is not waited for.
Promise.race([first.catch(() => {}), new Promise((go) => setTimeout(go, state.open ? 0 : 300))]).then(later).then(showDetail);
// Who points at a picture may open it: its scripts are there by then.
for (const near of ["pointerover", "focusin"]) byId("grid").addEventListener(near, () => import("./detail.js"), { once: true });
