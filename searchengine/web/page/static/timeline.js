// The time line beside pictures in order of their dates: a bar for each month, as long as the month
// has pictures, to be clicked, dragged along, or walked by the keyboard.

import { api, isAborted, Problem } from "./api.js";
import { byId, el } from "./dom.js";
import { goTo, topPicture } from "./grid.js";
import { LANGUAGE, plural, t } from "./language.js";
import { found, loadMore, question, sortedBy } from "./search.js";
import { bus } from "./state.js";

const FEWEST = 2; // months that are worth a line
const YEAR = 17; // pixels that the name of a year needs

const box = byId("timeline");
const months = new Intl.DateTimeFormat(LANGUAGE, { month: "long", year: "numeric", timeZone: "UTC" });
/** The months in the order of the pictures; "" is that of those without a date. @type {{month: string, count: number}[]} */
let line = [];
let now = 0, drags = false, asked = "", wanted = -1;
let asking = new AbortController();
/** @type {any} */
let strip = null, tip = null;

const monthOf = (hit) => (hit.taken_at || "").slice(0, 7);
const nameOf = ({ month, count }) => `${month ? months.format(new Date(`${month}-01T00:00:00Z`)) : t("Without a date")}, ${plural(count, "{n} picture", "{n} pictures")}`;

/** Ask for the months of the answer, if it is in their order. */
async function look() {
  const isByDate = document.body.classList.contains("timed");
  const key = JSON.stringify([isByDate && question(), found.hits.length && found.answer.total]);
  if (key === asked) return;
  asked = key;
  asking.abort();
  asking = new AbortController();
  wanted = -1;
  if (!isByDate) return draw([]);
  try {
    const { months: counted, undated } = await api.timeline(question(), asking.signal);
    if (sortedBy() === "oldest") counted.reverse();
    draw([...counted, ...(undated ? [{ month: "", count: undated }] : [])]);
  } catch (error) {
    if (isAborted(error)) return;
    if (!(error instanceof Problem)) throw error;
    draw([]); // the pictures are there all the same
  }
}

function draw(next) {
  line = next;
  box.hidden = line.length < FEWEST;
  if (box.hidden) return;
  const held = box.contains(document.activeElement);
  const most = Math.max(...line.map((one) => one.count));
  const share = 100 / line.length;
  strip = el("div", {
    class: "scrub", role: "slider", tabIndex: 0, id: "scrub", "aria-label": t("Time line"), "aria-orientation": "vertical",
    "aria-valuemin": 0, "aria-valuemax": line.length - 1,
  });
  tip = el("div", { class: "when", "aria-hidden": "true" });
  let year = "", free = -Infinity;
  const height = Math.max(160, innerHeight - byId("top").offsetHeight - 76);
  line.forEach(({ month, count }, at) => {
    const bar = el("i", { class: "bar-of-month" });
    Object.assign(bar.style, { top: `${(at + 0.5) * share}%`, height: `min(5px, ${share}%)`, width: `${9 + 27 * Math.sqrt(count / most)}%` });
    strip.append(bar);
    const top = (at * height) / line.length;
    if (month.slice(0, 4) === year || !month || top < free) return;
    year = month.slice(0, 4);
    free = top + YEAR;
    const label = el("span", { class: "year" }, year);
    label.style.top = `${(at + 0.5) * share}%`;
    strip.append(label);
  });
  strip.append(tip);
  steer();
  box.replaceChildren(strip);
  follow();
  if (held) strip.focus();
}

/** Show which month is meant. @param {number} at */
function mark(at) {
  now = Math.max(0, Math.min(at, line.length - 1));
  const name = nameOf(line[now]);
  strip.setAttribute("aria-valuenow", String(now));
  strip.setAttribute("aria-valuetext", name);
  strip.querySelectorAll(".bar-of-month").forEach((bar, index) => bar.classList.toggle("now", index === now));
  tell(now);
}

/** Write a month beside its bar. @param {number} at */
function tell(at) {
  tip.textContent = nameOf(line[at]);
  tip.style.top = `${(100 * (at + 0.5)) / line.length}%`;
}

/** Mark the month of the pictures at the top of the window. */
function follow() {
  if (box.hidden || drags || wanted >= 0) return;
  const hit = found.hits[topPicture()];
  const at = hit ? line.findIndex((one) => one.month === monthOf(hit)) : 0;
  if (at >= 0) mark(at);
}

/** Go to the first picture of a month, which may have to be fetched. @param {number} at */
async function jump(at) {
  mark(at);
  const { month } = line[now], before = line.slice(0, now).reduce((all, one) => all + one.count, 0), mine = asked;
  wanted = now;
  const target = now;
  strip.classList.add("busy");
  while (found.cursor && found.hits.length <= before && wanted === target && mine === asked) await loadMore(500);
  if (wanted !== target || mine !== asked) return;
  strip.classList.remove("busy");
  const first = found.hits.findIndex((hit) => monthOf(hit) === month);
  if (first >= 0) goTo(first);
  requestAnimationFrame(() => requestAnimationFrame(() => { if (wanted === target) wanted = -1; }));
}

const isHere = (at) => found.hits.some((hit) => monthOf(hit) === line[at].month);

function steer() {
  const at = (event) => {
    const { top, height } = strip.getBoundingClientRect();
    return Math.max(0, Math.min(line.length - 1, Math.floor(((event.clientY - top) / height) * line.length)));
  };
  strip.addEventListener("pointerdown", (event) => {
    strip.setPointerCapture(event.pointerId);
    drags = true;
    box.classList.add("held");
    jumpTo(at(event));
  });
  const jumpTo = (to) => { if (isHere(to)) jump(to); else mark(to); };
  strip.addEventListener("pointermove", (event) => {
    if (!drags) tell(at(event));
    else if (at(event) !== now) jumpTo(at(event));
  });
  strip.addEventListener("pointerleave", () => tell(now));
  for (const end of ["pointerup", "pointercancel"]) {
    strip.addEventListener(end, () => {
      if (drags) jump(now);
      drags = false;
      box.classList.remove("held");
    });
  }
  const year = (step) => {
    const of = (index) => line[index].month.slice(0, 4);
    let to = now;
    while (line[to + step] && of(to) === of(now)) to += step;
    return to;
  };
  const keys = {
    ArrowDown: () => now + 1, ArrowRight: () => now + 1, ArrowUp: () => now - 1, ArrowLeft: () => now - 1,
    PageDown: () => year(1), PageUp: () => year(-1), Home: () => 0, End: () => line.length - 1,
  };
  strip.addEventListener("keydown", (event) => {
    const to = event.ctrlKey || event.metaKey || event.altKey ? null : keys[event.key];
    if (!to) return;
    event.preventDefault();
    jump(to());
  });
}

/** Wire the time line. */
export function startTimeline() {
  let due = false;
  addEventListener("scroll", () => {
    if (due || box.hidden) return;
    due = true;
    requestAnimationFrame(() => { due = false; follow(); });
  }, { passive: true });
  for (const told of ["answer", "problem"]) bus.addEventListener(told, look);
  look();
}
