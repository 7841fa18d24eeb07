// A map of the library: like pictures lie together, words are landmarks. Points are drawn into the
// pixels of one canvas, so that 50,000 of them cost milliseconds; words are buttons above it.

import { api, isAborted, Problem, thumbOf } from "./api.js";
import { addTerm, makeDraggable } from "./chips.js";
import { byId, count, el, iconButton } from "./dom.js";
import { plural, t } from "./language.js";
import { found, loadMore } from "./search.js";
import { pickIds } from "./selection.js";
import { bus, go, href, state } from "./state.js";
import { steer, switcher } from "./steering.js";

const MARGIN = 64, THUMB = 64, GAP = 4, MOST_WORDS = 60, MOST_THUMBS = 200, MOST_TRIES = 2500, FINEST = 400000, IN_VIEW = 48, LIT = 300;
const FEWEST_WORDS = 4, EDGE = 6, WAYS = ["→", "↘", "↓", "↙", "←", "↖", "↑", "↗"];
const view = byId("view-map");
const at = { x: 0.5, y: 0.5, scale: 1 }; // the middle in map units 0..1, pixels per unit
let parts = null, data = null, places = null, bounds = null, home = 1, width = 0, height = 0, ratio = 1;
let asked = false, atHome = true, frame = null, pixels = null, colours = null;
/** @type {{id: number, place: number, left: number, top: number, right: number, bottom: number}[]} */
let boxes = [];
const images = new Map(); // id -> Image
let marked = new Set();
let placedAt = 0; // the scale at which `boxes` were chosen

function build() {
  const canvas = el("canvas", { tabIndex: 0, role: "application", "aria-label": t("Map of the library. Arrow keys move it, plus and minus zoom, 0 shows all, Enter opens the picture in the middle.") });
  const words = el("div", { class: "words" });
  const name = el("div", { class: "tip", hidden: true });
  const note = el("p", { class: "map-note", role: "status" }, t("Drawing the map"));
  const near = el("aside", { class: "near", "aria-label": t("Pictures in view") });
  const tools = el("div", { class: "tools" },
    iconButton("plus", t("Zoom in"), () => zoom(1.5)), iconButton("minus", t("Zoom out"), () => zoom(1 / 1.5)),
    el("button", { type: "button", class: "quiet", on: { click: fit } }, t("All")));
  const board = el("div", { class: "board" }, canvas, words, switcher("/map"), tools, name, note);
  view.replaceChildren(el("h1", { class: "sr" }, t("Map")), board, near);
  parts = { canvas, words, name, note, near, board, pen: canvas.getContext("2d", { alpha: false }) };
  new ResizeObserver(resize).observe(board);
  bus.addEventListener("theme", () => { colours = null; ask(); });
  for (const told of ["answer", "problem", "more"]) bus.addEventListener(told, () => { mark(); ask(); });
  bus.addEventListener("answer", light);
  bus.addEventListener("indexed", () => { if (state.page === "/map") load(); else data = null; });
  const open = (id) => { if (id) go({ open: id }); };
  steer(canvas, {
    isReady: () => Boolean(data?.points.length), pan, zoom, fit,
    isOver: (x, y) => pictureAt(x, y) > 0, click: (x, y) => open(pictureAt(x, y)), enter: () => open(nearest()),
  });
}

async function load() {
  try {
    data = await api.map();
  } catch (error) {
    if (isAborted(error)) return;
    if (!(error instanceof Problem)) throw error;
    parts.note.textContent = error.status === 404 && !error.body.detail ? t("This server has no map.") : error.message;
    return;
  }
  const { points, words } = data;
  places = new Float32Array(2 * points.length);
  bounds = { left: Infinity, top: Infinity, right: -Infinity, bottom: -Infinity };
  points.forEach(([, x, y], i) => { places[2 * i] = x; places[2 * i + 1] = y; stretch(x, y); });
  words.forEach(({ x, y }) => stretch(x, y));
  parts.note.textContent = points.length ? "" : t("No pictures here yet.");
  mark();
  resize();
}

function stretch(x, y) {
  bounds.left = Math.min(bounds.left, x); bounds.right = Math.max(bounds.right, x);
  bounds.top = Math.min(bounds.top, y); bounds.bottom = Math.max(bounds.bottom, y);
}

/** Light up what the query finds. */
function mark() {
  const asks = state.q.trim() || Object.keys(state.filters).length;
  marked = new Set(asks ? found.hits.map((hit) => hit.id) : []);
}

const screenX = (x) => (x - at.x) * at.scale + width / 2, screenY = (y) => (y - at.y) * at.scale + height / 2;

function resize() {
  const { board, canvas, pen } = parts;
  if (!data || !data.points.length || !board.clientWidth) return;
  ratio = Math.min(devicePixelRatio || 1, 2);
  width = board.clientWidth;
  height = board.clientHeight;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  frame = pen.createImageData(canvas.width, canvas.height);
  pixels = new Uint32Array(frame.data.buffer);
  home = Math.max(1, Math.min((width - 2 * MARGIN) / Math.max(bounds.right - bounds.left, 1e-6), (height - 2 * MARGIN) / Math.max(bounds.bottom - bounds.top, 1e-6)));
  if (atHome) fit(); else move(at.x, at.y, at.scale);
}

function move(x, y, scale) {
  at.scale = Math.min(Math.max(scale, home / 3), Math.max(FINEST, home));
  at.x = Math.min(Math.max(x, bounds.left), bounds.right);
  at.y = Math.min(Math.max(y, bounds.top), bounds.bottom);
  atHome = false;
  ask();
}
function fit() {
  if (!bounds) return;
  move((bounds.left + bounds.right) / 2, (bounds.top + bounds.bottom) / 2, home);
  atHome = true;
}
const pan = (dx, dy) => move(at.x - dx / at.scale, at.y - dy / at.scale, at.scale);
function zoom(factor, px = width / 2, py = height / 2) {
  if (!bounds) return;
  const x = at.x + (px - width / 2) / at.scale, y = at.y + (py - height / 2) / at.scale;
  const scale = Math.min(Math.max(at.scale * factor, home / 3), Math.max(FINEST, home));
  move(x - (px - width / 2) / scale, y - (py - height / 2) / scale, scale);
}

function ask() {
  if (asked || !data || !frame) return;
  asked = true;
  requestAnimationFrame(() => { asked = false; draw(); });
}

function readColours() {
  const style = getComputedStyle(document.documentElement);
  const packed = (name) => {
    const hex = style.getPropertyValue(name).trim();
    const [r, g, b] = [1, 3, 5].map((from) => parseInt(hex.slice(from, from + 2), 16));
    return (255 << 24 | b << 16 | g << 8 | r) >>> 0;
  };
  const plain = (name) => style.getPropertyValue(name).trim();
  return { paper: packed("--paper"), dot: packed("--dot"), accent: plain("--accent"), sunken: plain("--sunken") };
}

function draw() {
  colours ||= readColours();
  const { pen, canvas } = parts;
  const { points } = data;
  pixels.fill(colours.paper);
  const side = Math.max(1, Math.round(ratio * (points.length > 20000 ? 1.5 : 3) * Math.min(2, Math.sqrt(at.scale / home))));
  for (let i = 0; i < points.length; i++) dot(i, side, colours.dot);
  pen.putImageData(frame, 0, 0);
  const spots = placeWords();
  place(spots);
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.fillStyle = colours.accent;
  if (marked.size) for (let i = 0; i < points.length; i++) if (marked.has(points[i][0])) disc(screenX(places[2 * i]), screenY(places[2 * i + 1]));
  pen.imageSmoothingQuality = "high";
  for (const box of boxes) drawThumb(box);
  pen.setTransform(1, 0, 0, 1, 0, 0);
  canvas.dataset.drawn = String(boxes.length);
  drawWords(spots);
  listNear();
}

function disc(x, y) {
  const { pen } = parts;
  pen.beginPath();
  pen.arc(x, y, 4, 0, 2 * Math.PI);
  pen.fill();
}

/** Draw the middle of a picture as a square. */
function drawThumb({ id, left, top }) {
  const { pen } = parts, image = images.get(id);
  if (!image.complete || !image.naturalWidth) { pen.fillStyle = colours.sunken; pen.fillRect(left, top, THUMB, THUMB); return; }
  const { naturalWidth: w, naturalHeight: h } = image, side = Math.min(w, h);
  pen.drawImage(image, (w - side) / 2, (h - side) / 2, side, side, left, top, THUMB, THUMB);
  if (!marked.has(id)) return;
  pen.strokeStyle = colours.accent;
  pen.lineWidth = 3;
  pen.strokeRect(left - 1.5, top - 1.5, THUMB + 3, THUMB + 3);
}

function dot(i, side, colour) {
  const w = parts.canvas.width, h = parts.canvas.height;
  const left = Math.round(screenX(places[2 * i]) * ratio - side / 2), top = Math.round(screenY(places[2 * i + 1]) * ratio - side / 2);
  if (left >= w || top >= h || left + side <= 0 || top + side <= 0) return;
  for (let y = Math.max(0, top); y < Math.min(h, top + side); y++) pixels.fill(colour, y * w + Math.max(0, left), y * w + Math.min(w, left + side));
}

const apart = (a, b) => a.left >= b.right + GAP || b.left >= a.right + GAP || a.top >= b.bottom + GAP || b.top >= a.bottom + GAP;

/**
 * Choose the small pictures: those that were shown while the map is only moved, then what the query
 * found, then the others, each where it hides neither a word nor another picture.
 */
function place(spots) {
  const { points } = data;
  const kept = placedAt === at.scale ? boxes.map((box) => box.place) : [];
  placedAt = at.scale;
  boxes = [];
  let tries = 0;
  const put = (i) => {
    const x = screenX(places[2 * i]), y = screenY(places[2 * i + 1]), half = THUMB / 2;
    if (x < -half || y < -half || x > width + half || y > height + half || boxes.length >= MOST_THUMBS) return;
    tries++;
    const box = { id: points[i][0], place: i, left: x - half, top: y - half, right: x + half, bottom: y + half };
    if (boxes.every((other) => other.place !== i && apart(box, other)) && spots.every((other) => apart(box, other))) {
      boxes.push(box);
      fetchThumb(box.id);
    }
  };
  kept.forEach(put);
  if (marked.size) for (let i = 0; i < points.length; i++) if (marked.has(points[i][0])) put(i);
  for (let i = 0; i < points.length && tries < MOST_TRIES; i++) put(i);
}

function fetchThumb(id) {
  if (images.has(id)) return;
  const image = new Image();
  image.onload = ask;
  image.src = thumbOf(id, 160);
  if (images.size > 3000) images.delete(images.keys().next().value);
  images.set(id, image);
}

/** What the switch between the maps covers. */
function coveredBox() {
  const board = parts.canvas.getBoundingClientRect();
  const { left, right, top, bottom } = document.querySelector("#view-map .which").getBoundingClientRect();
  return { left: left - board.left, right: right - board.left, top: top - board.top, bottom: bottom - board.top };
}

/** Where landmarks can stand without hiding one another, the most important first. */
function placeWords() {
  const spots = [], covered = coveredBox();
  for (const { word, x, y } of data.words) {
    if (spots.length >= MOST_WORDS) break;
    const half = 4 * word.length + 14, middle = screenX(x), line = screenY(y);
    const box = { word, middle, line, left: middle - half, right: middle + half, top: line - 13, bottom: line + 13 };
    if (box.left < 0 || box.top < 0 || box.right > width || box.bottom > height) continue;
    if (apart(box, covered) && spots.every((other) => apart(box, other))) spots.push(box);
  }
  return spots.length < FEWEST_WORDS ? [...spots, ...signposts(spots)] : spots;
}

/** Far inside there may be no word: the nearest ones stand at the edge, each with the way to it. */
function signposts(spots) {
  const found = [...spots], inside = (value, half, size) => Math.min(Math.max(value, half), size - half);
  const covered = coveredBox();
  const far = ({ x, y }) => (x - at.x) ** 2 + (y - at.y) ** 2;
  for (const { word, x, y } of [...data.words].sort((a, b) => far(a) - far(b))) {
    if (found.length >= FEWEST_WORDS) break;
    const half = 4 * word.length + 24;
    const middle = inside(screenX(x), half + EDGE, width);
    let line = inside(screenY(y), 13 + EDGE, height);
    if (middle - half < covered.right + GAP && line - 13 < covered.bottom + GAP) line = covered.bottom + GAP + 13;
    const box = { word, middle, line, left: middle - half, right: middle + half, top: line - 13, bottom: line + 13 };
    if (found.some((other) => other.word === word || !apart(box, other))) continue;
    const angle = Math.atan2(screenY(y) - line, screenX(x) - middle);
    found.push({ ...box, way: WAYS[(Math.round(angle / (Math.PI / 4)) + 8) % 8] });
  }
  return found.slice(spots.length);
}

/** Put the landmarks there: those that were shown keep their buttons, so that focus stays. */
function drawWords(spots) {
  const { words } = parts;
  const old = new Map([...words.children].map((node) => [node.dataset.word, node]));
  for (const { word, middle, line, way } of spots) {
    let node = old.get(word);
    if (!node) {
      node = el("button", { type: "button", class: "landmark", data: { word }, "aria-label": t("{word}: add it to the query", { word }), on: { click: () => addTerm({ text: word }, 1) } });
      makeDraggable(node, () => ({ text: word }));
      words.append(node);
    }
    node.textContent = way ? `${way} ${word}` : word;
    node.classList.toggle("far", Boolean(way));
    node.style.transform = `translate(${middle}px, ${line}px) translate(-50%, -50%)`;
    old.delete(word);
  }
  for (const node of old.values()) if (node !== document.activeElement) node.remove();
}

let listed = 0;
/** The pictures in the window, nearest to its middle first, as links: a region to browse. */
function listNear() {
  clearTimeout(listed);
  listed = setTimeout(() => {
    const inside = [];
    data.points.forEach(([id, x, y]) => {
      const dx = (x - at.x) * at.scale, dy = (y - at.y) * at.scale;
      if (Math.abs(dx) <= width / 2 && Math.abs(dy) <= height / 2) inside.push([dx * dx + dy * dy, id]);
    });
    inside.sort((a, b) => a[0] - b[0]);
    const { near } = parts;
    near.replaceChildren(
      el("header", {}, el("h2", {}, plural(inside.length, "{n} picture in view", "{n} pictures in view")),
        el("button", { type: "button", class: "link", on: { click: () => pickIds(inside.map(([, id]) => id)) } }, t("Select them"))),
      el("ul", {}, inside.slice(0, IN_VIEW).map(([, id]) => {
        const link = el("a", { href: href({ page: "/", open: id }), on: { click: (event) => { if (event.ctrlKey || event.metaKey) return; event.preventDefault(); go({ open: id }); } } },
          el("img", { src: thumbOf(id, 160), alt: t("picture {id}", { id }), loading: "lazy", draggable: false }));
        makeDraggable(link, () => ({ image_id: id }));
        return el("li", {}, link);
      })),
      inside.length > IN_VIEW ? el("p", { class: "quiet-text" }, t("and {n} more; zoom in", { n: count(inside.length - IN_VIEW) })) : "",
    );
  }, 200);
}

/** The picture at a place of the window, 0 for none. */
function pictureAt(x, y) {
  for (let b = boxes.length - 1; b >= 0; b--) {
    const box = boxes[b];
    if (x >= box.left && x <= box.right && y >= box.top && y <= box.bottom) return box.id;
  }
  let best = 0, least = 14 * 14;
  data.points.forEach(([id, px, py]) => {
    const far = (screenX(px) - x) ** 2 + (screenY(py) - y) ** 2;
    if (far < least) { least = far; best = id; }
  });
  return best;
}

/** The picture nearest to the middle of the window. */
function nearest() {
  let best = 0, least = Infinity;
  for (const [id, x, y] of data.points) {
    const far = (x - at.x) ** 2 + (y - at.y) ** 2;
    if (far < least) { least = far; best = id; }
  }
  return best;
}

/** A query lights up the pictures that answer it best, more than other views need at first. */
function light() {
  const asks = state.q.trim() || Object.keys(state.filters).length;
  if (asks && state.page === "/map" && found.cursor && found.hits.length < LIT) loadMore(LIT - found.hits.length);
}

/** Show the view. */
export function show() {
  if (!parts) build();
  if (!data) load(); else resize();
  light();
}

/** For tests and whoever looks with the console. */
export const map = { at, zoom, pan, fit, screen: (i) => [screenX(places[2 * i]), screenY(places[2 * i + 1])], boxes: () => boxes };
