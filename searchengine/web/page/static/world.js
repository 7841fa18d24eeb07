// Where pictures were taken, on a map of the world without tiles: the outline of the land, and a dot
// for those that lie together. Dots are buttons for the keyboard; the pointer meets the canvas.

import { api, isAborted, Problem, thumbOf } from "./api.js";
import { makeDraggable, setFilter } from "./chips.js";
import { byId, count, el, iconButton } from "./dom.js";
import { LAND } from "./land.js";
import { plural, t } from "./language.js";
import { question } from "./search.js";
import { pickIds } from "./selection.js";
import { bus, go, href, questionOf, state } from "./state.js";
import { steer, switcher } from "./steering.js";

const MARGIN = 56, CELL = 56, FINEST = 4e6, LEAST_SPAN = 0.06, MOST_LAT = 84, IN_VIEW = 48, EARTH_KM = 6371;
const WHOLE = { left: 0, right: 1, top: northward(78), bottom: northward(-57) };
const view = byId("view-world");
const at = { x: 0.5, y: 0.4, scale: 1 }; // the middle in map units 0..1, pixels per unit
let parts = null, width = 0, height = 0, ratio = 1, home = 1, least = 1, asked = "", queued = false, atHome = true, colours = null;
let asking = new AbortController();
/** @type {{id: number, x: number, y: number, lat: number, lon: number, name: ?string}[]} */
let points = [];
let bounds = WHOLE;
/** @typedef {{x: number, y: number, size: number, members: typeof points, name: string}} Cluster */
/** @type {Cluster[]} */
let clusters = [];
let clusteredAt = NaN; // the level at which they were gathered
/** The pictures of the dot that was chosen, by id; empty if those in view are listed. */
let chosen = new Set();

/** Mercator's place of degrees north, 0 at the top. @param {number} lat */
function northward(lat) {
  const north = (Math.max(-MOST_LAT, Math.min(MOST_LAT, lat)) * Math.PI) / 180;
  return 0.5 - Math.log(Math.tan(Math.PI / 4 + north / 2)) / (2 * Math.PI);
}
const eastward = (lon) => lon / 360 + 0.5;

/** The land in map units; what reaches beyond an edge stands at the other one too. */
const land = new Path2D(), once = new Path2D();
for (const [left, top, ...steps] of LAND) {
  let lon = left, lat = top;
  once.moveTo(eastward(lon / 10), northward(lat / 10));
  for (let i = 0; i < steps.length; i += 2) {
    lon += steps[i];
    lat += steps[i + 1];
    once.lineTo(eastward(lon / 10), northward(lat / 10));
  }
  once.closePath();
}
for (const turn of [-1, 0, 1]) land.addPath(once, new DOMMatrix([1, 0, 0, 1, turn, 0]));

function build() {
  const canvas = el("canvas", { tabIndex: 0, role: "application", "aria-label": t("Map of the world. Arrow keys move it, plus and minus zoom, 0 shows all; Tab goes from dot to dot.") });
  const dots = el("div", { class: "words dots" });
  const note = el("p", { class: "map-note", role: "status" });
  const near = el("aside", { class: "near", "aria-label": t("Pictures in view") });
  const tools = el("div", { class: "tools" },
    iconButton("plus", t("Zoom in"), () => zoom(1.5)), iconButton("minus", t("Zoom out"), () => zoom(1 / 1.5)),
    el("button", { type: "button", class: "quiet", on: { click: fit } }, t("All")));
  const board = el("div", { class: "board world" }, canvas, dots, switcher("/world"), tools, note);
  view.replaceChildren(el("h1", { class: "sr" }, t("Map of the world")), board, near);
  parts = { canvas, dots, note, near, board, pen: canvas.getContext("2d", { alpha: false }) };
  new ResizeObserver(resize).observe(board);
  bus.addEventListener("theme", () => { colours = null; draw(); });
  bus.addEventListener("answer", () => { if (state.page === "/world") load(); });
  bus.addEventListener("indexed", () => { asked = ""; });
  steer(canvas, {
    isReady: () => width > 0, pan, zoom, fit,
    isOver: (x, y) => Boolean(clusterAt(x, y)), click: (x, y) => choose(clusterAt(x, y)),
    enter: () => choose(clusterAt(width / 2, height / 2, Infinity)),
  });
}

/** Ask where the pictures of the query were taken, unless that is known. */
async function load() {
  const question_ = questionOf(state);
  if (question_ === asked) return;
  asked = question_;
  asking.abort();
  asking = new AbortController();
  try {
    const { points: found, names, elsewhere } = await api.places(question(), asking.signal);
    points = found.map(([id, lat, lon, name]) => ({ id, lat, lon, name: names[name], x: eastward(lon), y: northward(lat) }));
    chosen = new Set();
    clusteredAt = NaN;
    parts.note.textContent = points.length ? "" : elsewhere ? t("No picture here says where it was taken.") : t("No picture was found.");
    bounds = points.length ? boundsOf(points) : WHOLE;
    atHome = true;
    resize();
  } catch (error) {
    if (isAborted(error)) return;
    asked = "";
    if (!(error instanceof Problem)) throw error;
    points = [];
    clusteredAt = NaN;
    parts.note.textContent = error.message;
    resize();
  }
}

/** @param {{x: number, y: number}[]} of */
function boundsOf(of) {
  const box = { left: 1, right: 0, top: 1, bottom: 0 };
  for (const { x, y } of of) {
    box.left = Math.min(box.left, x); box.right = Math.max(box.right, x);
    box.top = Math.min(box.top, y); box.bottom = Math.max(box.bottom, y);
  }
  return box;
}

function resize() {
  const { board, canvas } = parts;
  if (!board.clientWidth) return;
  ratio = Math.min(devicePixelRatio || 1, 2);
  width = board.clientWidth;
  height = board.clientHeight;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  least = Math.min(width, height / (WHOLE.bottom - WHOLE.top));
  home = scaleFor(bounds, LEAST_SPAN);
  if (atHome) fit(); else move(at.x, at.y, at.scale);
}

const scaleFor = (box, span) => Math.max(least, Math.min((width - 2 * MARGIN) / Math.max(box.right - box.left, span), (height - 2 * MARGIN) / Math.max(box.bottom - box.top, span)));
const inside = (value, low, high, half) => (high - low < 2 * half ? (low + high) / 2 : Math.min(Math.max(value, low + half), high - half));

function move(x, y, scale) {
  at.scale = Math.min(Math.max(scale, least), FINEST);
  at.x = inside(x, WHOLE.left, WHOLE.right, width / 2 / at.scale);
  at.y = inside(y, WHOLE.top, WHOLE.bottom, height / 2 / at.scale);
  atHome = false;
  ask();
}
function reveal(box, span) {
  move((box.left + box.right) / 2, (box.top + box.bottom) / 2, scaleFor(box, span));
}
function fit() {
  reveal(bounds, LEAST_SPAN);
  atHome = true;
}
const pan = (dx, dy) => move(at.x - dx / at.scale, at.y - dy / at.scale, at.scale);
function zoom(factor, px = width / 2, py = height / 2) {
  const scale = Math.min(Math.max(at.scale * factor, least), FINEST);
  const x = at.x + (px - width / 2) / at.scale, y = at.y + (py - height / 2) / at.scale;
  move(x - (px - width / 2) / scale, y - (py - height / 2) / scale, scale);
}

function ask() {
  if (queued) return;
  queued = true;
  requestAnimationFrame(() => { queued = false; draw(); });
}

const screenX = (x) => (x - at.x) * at.scale + width / 2, screenY = (y) => (y - at.y) * at.scale + height / 2;

function draw() {
  const { pen, canvas } = parts;
  if (!width) return;
  const style = getComputedStyle(document.documentElement), plain = (name) => style.getPropertyValue(name).trim();
  colours ||= { sea: plain("--paper"), land: plain("--sunken"), coast: plain("--dot") };
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.fillStyle = colours.sea;
  pen.fillRect(0, 0, width, height);
  pen.setTransform(ratio * at.scale, 0, 0, ratio * at.scale, ratio * (width / 2 - at.x * at.scale), ratio * (height / 2 - at.y * at.scale));
  pen.save();
  pen.beginPath();
  pen.rect(0, -1, 1, 3);
  pen.clip();
  pen.fillStyle = colours.land;
  pen.strokeStyle = colours.coast;
  pen.lineWidth = 0.8 / at.scale;
  pen.fill(land, "evenodd");
  pen.stroke(land);
  pen.restore();
  if (clusteredAt !== level()) gather();
  place();
  listNear();
  canvas.dataset.drawn = String(clusters.length);
}

/** Dots are gathered anew at each of these steps of the scale, not at every pixel of a zoom. */
const level = () => Math.ceil(2 * Math.log2(at.scale));

/** Gather the pictures of each field of a grid, then fields whose dots would touch. */
function gather() {
  clusteredAt = level();
  const cell = CELL / 2 ** (clusteredAt / 2);
  const fields = /** @type {Map<string, typeof points>} */ (new Map());
  for (const point of points) {
    const key = `${Math.floor(point.x / cell)},${Math.floor(point.y / cell)}`;
    const field = fields.get(key);
    if (field) field.push(point); else fields.set(key, [point]);
  }
  const dots = [...fields.values()].map(dotOf).sort((a, b) => b.members.length - a.members.length);
  clusters = [];
  for (const dot of dots) {
    const near = clusters.findIndex((one) => Math.hypot(one.x - dot.x, one.y - dot.y) * (CELL / cell) < (one.size + dot.size) / 2);
    if (near < 0) clusters.push(dot);
    else clusters[near] = dotOf([...clusters[near].members, ...dot.members]);
  }
  clusters.sort((a, b) => b.members.length - a.members.length);
}

/** @param {typeof points} members @returns {Cluster} */
function dotOf(members) {
  const mean = (axis) => members.reduce((sum, one) => sum + one[axis], 0) / members.length;
  const size = members.length === 1 ? 16 : Math.min(56, 24 + 9 * Math.log10(members.length) * 1.4);
  return { x: mean("x"), y: mean("y"), size, members, name: nameOf(members) };
}

/** What places have in common: the town of all, or the region, or the country. */
function nameOf(members) {
  const all = members.map((one) => one.name).filter(Boolean).map((name) => name.split(", "));
  if (!all.length) return "";
  let shared = all[0];
  for (const parts_ of all) {
    let same = 0;
    while (same < shared.length && shared.at(-1 - same) === parts_.at(-1 - same)) same++;
    shared = shared.slice(shared.length - same);
  }
  return shared.join(", ");
}

const isChosen = (dot) => chosen.size > 0 && dot.members.some((one) => chosen.has(one.id));

/** Put the dots in view into the document; the keyboard keeps the one that it has. */
function place() {
  const { dots } = parts;
  const old = new Map([...dots.children].map((node) => [node.dataset.key, node]));
  for (const dot of clusters) {
    const x = screenX(dot.x), y = screenY(dot.y);
    if (x < -30 || y < -30 || x > width + 30 || y > height + 30) continue;
    const key = `${dot.members[0].id}/${dot.members.length}`;
    let node = old.get(key);
    if (!node) {
      const number = plural(dot.members.length, "{n} picture", "{n} pictures");
      node = el("button", { type: "button", class: "dot", data: { key }, "aria-label": dot.name ? `${dot.name}: ${number}` : number, on: { click: () => choose(dot), focus: () => reach(dot) } }, dot.members.length > 1 ? count(dot.members.length) : "");
      Object.assign(node.style, { width: `${dot.size}px`, height: `${dot.size}px` });
      dots.append(node);
    }
    node.setAttribute("aria-pressed", String(isChosen(dot)));
    node.style.transform = `translate(${x}px, ${y}px) translate(-50%, -50%)`;
    old.delete(key);
  }
  for (const node of old.values()) if (node !== document.activeElement) node.remove();
}

/** Bring a dot that has the keyboard into the window. */
function reach(dot) {
  const x = screenX(dot.x), y = screenY(dot.y);
  if (x < 0 || y < 0 || x > width || y > height) move(dot.x, dot.y, at.scale);
}

function clusterAt(x, y, within = 0) {
  let best = null, nearest = Infinity;
  for (const dot of clusters) {
    const far = Math.hypot(screenX(dot.x) - x, screenY(dot.y) - y);
    if (far < nearest && far <= Math.max(within, dot.size / 2 + 4)) { best = dot; nearest = far; }
  }
  return best;
}

/** List the pictures of a dot; those in view if it is none. */
function choose(dot) {
  chosen = new Set(dot ? dot.members.map((one) => one.id) : []);
  ask();
}

/** Ask for pictures taken near a dot: as far as its own are. */
function searchNear(members) {
  const mean = (axis) => members.reduce((sum, one) => sum + one[axis], 0) / members.length;
  const radians = (degrees) => (degrees * Math.PI) / 180, lat = mean("lat"), lon = mean("lon");
  const kmTo = (one) => 2 * EARTH_KM * Math.asin(Math.min(1, Math.sqrt(Math.sin(radians(one.lat - lat) / 2) ** 2 + Math.cos(radians(lat)) * Math.cos(radians(one.lat)) * Math.sin(radians(one.lon - lon) / 2) ** 2)));
  const km = Math.max(0.2, ...members.map(kmTo)) * 1.01;
  setFilter("near", `${lat.toFixed(4)},${lon.toFixed(4)},${Math.ceil(10 * km) / 10}km`, { page: "/" });
}

let listing = 0;
/** The pictures of the dot that was chosen, or those in the window, nearest to its middle first. */
function listNear() {
  clearTimeout(listing);
  listing = setTimeout(() => {
    const far = ({ x, y }) => (x - at.x) ** 2 + (y - at.y) ** 2;
    const isIn = ({ x, y }) => Math.abs(x - at.x) * at.scale <= width / 2 && Math.abs(y - at.y) * at.scale <= height / 2;
    const members = points.filter((one) => (chosen.size ? chosen.has(one.id) : isIn(one)));
    const shown = [...members].sort((a, b) => far(a) - far(b)).slice(0, IN_VIEW);
    const { near } = parts, held = near.contains(document.activeElement) ? document.activeElement?.dataset.act : "";
    const act = (name, text, run) => el("button", { type: "button", class: "link", data: { act: name }, on: { click: run } }, text);
    const name = chosen.size ? nameOf(members) : "";
    const box = members.length ? boundsOf(members) : WHOLE;
    near.replaceChildren(
      el("header", {}, el("h2", {}, chosen.size ? plural(members.length, "{n} picture", "{n} pictures") : plural(members.length, "{n} picture in view", "{n} pictures in view")),
        name && el("p", { class: "quiet-text" }, name)),
      members.length ? el("p", { class: "acts" },
        chosen.size ? act("search", t("Search here"), () => searchNear(members)) : "",
        chosen.size && box.right - box.left + box.bottom - box.top > 1e-5 ? act("closer", t("Zoom in"), () => reveal(box, 1e-5)) : "",
        act("select", t("Select them"), () => pickIds(members.map((one) => one.id))),
        chosen.size ? act("all", t("All in view"), () => choose(null)) : "") : "",
      el("ul", {}, shown.map(({ id, name: where }) => {
        const link = el("a", { href: href({ page: "/", open: id }), title: where || "", on: { click: (event) => { if (event.ctrlKey || event.metaKey) return; event.preventDefault(); go({ open: id }); } } },
          el("img", { src: thumbOf(id, 160), alt: t("picture {id}", { id }), loading: "lazy", draggable: false }));
        makeDraggable(link, () => ({ image_id: id }));
        return el("li", {}, link);
      })),
      members.length > IN_VIEW ? el("p", { class: "quiet-text" }, t("and {n} more; zoom in", { n: count(members.length - IN_VIEW) })) : "",
    );
    if (held) (near.querySelector(`[data-act="${held}"]`) || near.querySelector("button"))?.focus();
  }, 150);
}

/** Show the view. */
export function show() {
  if (!parts) build();
  resize();
  load();
}

/** For tests and whoever looks with the console. */
export const world = { at, clusters: () => clusters.map((dot) => ({ left: screenX(dot.x), top: screenY(dot.y), ids: dot.members.map((one) => one.id), name: dot.name })) };
