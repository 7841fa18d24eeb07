// Small things of the DOM. Text of others (file names, captions, tags) only ever enters through
// `el`, as text nodes or properties, never as markup.

import { LANGUAGE, t } from "./language.js";

/**
 * Make an element.
 * @param {string} tag
 * @param {Record<string, any>} [props] `class`, `data`, `on` (listeners), attributes with a dash or
 *   `role`, all else properties
 * @param {...(Node|string|number|null|undefined|false)} children
 * @returns {any}
 */
export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null) continue;
    if (name === "class") node.className = value;
    else if (name === "data") Object.assign(node.dataset, value);
    else if (name === "on") for (const [event, listener] of Object.entries(value)) node.addEventListener(event, listener);
    else if (name === "role" || name === "for" || name.includes("-")) node.setAttribute(name, String(value));
    else node[name] = value;
  }
  for (const child of children.flat()) {
    if (child === null || child === undefined || child === false) continue;
    node.append(child instanceof Node ? child : String(child));
  }
  return node;
}

const SVG = "http://www.w3.org/2000/svg";

/** Make an icon of the sprite. @param {string} name @returns {SVGSVGElement} */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

/** Make a button of an icon with a label that is read out and shown on hover. */
export function iconButton(name, label, onClick, extra = {}) {
  return el("button", { type: "button", class: "quiet", "aria-label": label, title: label, on: { click: onClick }, ...extra }, icon(name));
}

/** @type {Map<string, Promise<void>>} style sheets by their names */
const styles = new Map();

/** Load a style sheet beside the first one, once; what it is for may be shown then. @param {string} name */
export function loadStyle(name) {
  const { href: url } = new URL(name, import.meta.url);
  const loading = styles.get(name) || new Promise((done, fail) => {
    const link = [...document.styleSheets].some((sheet) => sheet.href === url) ? null
      : el("link", { rel: "stylesheet", href: url, on: { load: () => done(), error: () => { styles.delete(name); link.remove(); fail(new Error(`${name} could not be loaded`)); } } });
    if (link) document.head.append(link);
    else done();
  });
  styles.set(name, loading);
  return loading;
}

/** @param {string} id @returns {any} */
export const byId = (id) => document.getElementById(id);

const counts = new Intl.NumberFormat(LANGUAGE);
/** Write a number with separators. @param {number} value */
export const count = (value) => counts.format(value);
/** Write bytes for people. @param {number} bytes */
export function size(bytes) {
  const units = [t("bytes"), "kB", "MB", "GB"];
  let unit = 0;
  for (; bytes >= 1000 && unit < 3; unit++) bytes /= 1000;
  return `${unit && bytes < 10 ? bytes.toFixed(1) : Math.round(bytes)} ${units[unit]}`;
}
/** The last part of a path. @param {string} path */
export const nameOf = (path) => path.slice(Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\")) + 1);
/** A folder's last two parts, enough to know it by. @param {string} path */
export const shortPath = (path) => path.split("/").filter(Boolean).slice(-2).join("/") || path;

/** A camera without its maker said twice: "Canon Canon EOS 5D". @param {string} text */
export const cameraOf = (text) => text.replace(/^(\S+)(?: \S+)*? (?=\1\b)/i, "");

/** Show a message for some seconds, with something to do if given. */
export function toast(text, action = null) {
  const note = el("div", { class: "toast" }, el("span", {}, text));
  if (action) note.append(el("button", { type: "button", class: "link", on: { click: () => { note.remove(); action.run(); } } }, action.label));
  byId("toasts").append(note);
  setTimeout(() => note.remove(), action ? 12000 : 6000);
}

/** Copy text; without the clipboard (plain http in a network) show it to be copied by hand. */
export async function copyText(text, what) {
  try {
    await navigator.clipboard.writeText(text);
    toast(t("{what} copied", { what }));
  } catch {
    const area = el("textarea", { value: text, readOnly: true, rows: 10, "aria-label": what });
    openSheet(what, el("p", {}, t("This browser lets a page copy on secure addresses only. Press Ctrl+C.")), area);
    area.select();
  }
}

/** Open the small dialog. @param {string} title @param {...Node} content */
export function openSheet(title, ...content) {
  const sheet = byId("sheet");
  sheet.setAttribute("aria-label", title);
  sheet.replaceChildren(
    el("header", {}, el("h2", {}, title), iconButton("close", t("Close"), () => sheet.close())),
    ...content,
  );
  if (!sheet.open) sheet.showModal();
  return sheet;
}

/** Call a function once things are quiet. @param {(...args: any[]) => void} run @param {number} wait ms */
export function debounce(run, wait) {
  let timer = 0;
  const later = (...args) => { clearTimeout(timer); timer = setTimeout(() => run(...args), wait); };
  later.cancel = () => clearTimeout(timer);
  return later;
}

/** Tell whether keys go into a text just now. */
export function isTyping(target) {
  return target instanceof HTMLElement && (target.isContentEditable || target.matches("textarea, select, input:not([type=checkbox]):not([type=range])"));
}

/** Start a download. @param {Blob} blob @param {string} name */
export function save(blob, name) {
  const url = URL.createObjectURL(blob);
  el("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60000);
}
