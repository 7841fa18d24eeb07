// Starts the page, and shows what the state says: which view, which answer. A view has a module of
// its own, which is loaded when it is wanted for the first time.

import { startBox } from "./box.js";
import { named, startChips } from "./chips.js";
import { byId, debounce, icon, isTyping, loadStyle, toast } from "./dom.js";
import { startDrop } from "./drop.js";
import { t } from "./language.js";
import { coming, found, isEnough, run } from "./search.js";
import { bus, go, href, questionOf, state } from "./state.js";

const VIEWS = {
  "/": "search", "/map": "map", "/world": "world", "/recipes": "recipes", "/duplicates": "duplicates",
};
/** Their modules; `pages.py` reads here what it lets the browser fetch early. */
const MODULES = {
  "/": () => import("./pictures.js"), "/map": () => import("./map.js"), "/world": () => import("./world.js"),
  "/recipes": () => import("./recipes.js"), "/duplicates": () => import("./duplicates.js"),
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
const wanted = history.state?.count || 0;

history.scrollRestoration = "manual";

/** Show the view of the state, and load its scripts when it is wanted for the first time. */
async function showView() {
  const { page } = state, view = VIEWS[page] || "search";
  for (const name of Object.values(VIEWS)) byId(`view-${name}`).hidden = name !== view;
  document.body.dataset.view = view;
  document.title = `${state.q && view === "search" ? named(state.q) : TITLES[page] || "lexpix"} - lexpix`;
  for (const link of document.querySelectorAll("nav [data-view]")) {
    const path = link.dataset.view;
    if (path === page || (path === "/map" && page === "/world")) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
    link.href = href({ page: path, open: 0, text: 0 });
  }
  try {
    const [module] = await Promise.all([(MODULES[page] || MODULES["/"])(), page === "/" || loadStyle("views.css")]);
    if (page === state.page) await module.show();
  } catch (error) {
    missed();
    throw error;
  }
}

function onState({ before, how }) {
  const isNewView = before.page !== state.page, isPop = how === "pop";
  const shown = showView();
  const place = isPop ? history.state?.scroll || 0 : 0;
  if (questionOf(before) !== questionOf(state) || (isNewView && !isEnough())) {
    Object.assign(coming, { fresh: !isPop, place });
    const ask = () => run({ atLeast: isPop ? history.state?.count || 0 : 0 });
    if (isNewView) shown.then(ask); // which hears the answer
    else ask();
  } else if (isNewView) {
    // Laid out while hidden, it had no width.
    if (state.page === "/") shown.then(() => { bus.dispatchEvent(new CustomEvent("grid", { detail: { back: true } })); scrollTo(0, place); });
    else scrollTo(0, 0);
  }
  later();
  showDetail();
}

/** Open, change or close the view of a picture; its scripts are loaded for the first one. */
async function showDetail() {
  if (!state.open && !detail) return;
  detail ||= Promise.all([import("./detail.js"), loadStyle("picture.css")]).then(([loaded]) => { loaded.startDetail(); return loaded; });
  try {
    await (await detail).syncDetail();
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
  else if (event.key === "Escape") {
    // Whoever has something open takes it back, and says so.
    if (bus.dispatchEvent(new CustomEvent("escape", { cancelable: true }))) byId("q").focus();
  }
  else return;
  event.preventDefault();
}

const keepPlace = debounce(() => history.replaceState({ ...history.state, scroll: scrollY, count: found.hits.length }, ""), 150);

startTheme();
startLanguage();
startBox();
startChips();
startDrop();
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
bus.addEventListener("state", (event) => onState(/** @type {CustomEvent} */ (event).detail));
bus.addEventListener("asking", () => document.body.classList.add("asking"));
for (const told of ["answer", "problem"]) bus.addEventListener(told, () => document.body.classList.remove("asking"));
bus.addEventListener("problem", (event) => {
  const { error, stays } = /** @type {CustomEvent} */ (event).detail;
  if (stays && error.status) toast(error.message, { label: t("Try again"), run: () => run() });
});
bus.addEventListener("stuck", (event) => /** @type {CustomEvent} */ (event).detail.error.status && toast(/** @type {CustomEvent} */ (event).detail.error.message, { label: t("Try again"), run: () => run({ atLeast: found.hits.length }) }));
bus.addEventListener("indexed", () => { Object.assign(coming, { fresh: false, place: scrollY }); run({ atLeast: found.hits.length, quiet: true }); });
new ResizeObserver(([entry]) => document.documentElement.style.setProperty("--top", `${Math.round(entry.borderBoxSize[0].blockSize)}px`)).observe(byId("top"));

async function loadRest() {
  const [jobs, live] = await Promise.all([import("./jobs.js"), import("./live.js")]);
  jobs.startJobs();
  live.startLive();
  bus.dispatchEvent(new CustomEvent("rest"));
  return jobs;
}

async function showHelp() {
  const help = await import("./help.js").catch(missed);
  help?.showHelp();
}

Object.assign(coming, { place: history.state?.scroll || 0, fresh: !history.state?.scroll });
const first = showView().then(() => run({ atLeast: wanted }));
const pictured = new Promise((done) => document.addEventListener("load", (event) => event.target instanceof HTMLImageElement && done(), { capture: true }));
const patience = new Promise((done) => setTimeout(done, 1500));
// The rest would only hold up what everybody waits for, the first picture; what is late is not waited for.
Promise.race([first.catch(() => {}), patience])
  .then(showDetail)
  .then(() => found.answer && !found.hits.length || Promise.race([pictured, patience]))
  .finally(later);
// Who points at a picture may open it: its scripts are there by then.
for (const near of ["pointerover", "focusin"]) byId("grid").addEventListener(near, () => { import("./detail.js"); loadStyle("picture.css"); }, { once: true });
