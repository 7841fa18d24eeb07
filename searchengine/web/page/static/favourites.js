// Favourites: a tag that one key gives and takes back.

import { api, Problem } from "./api.js";
import { toast } from "./dom.js";
import { t } from "./language.js";
import { bus } from "./state.js";

/** The tag, the same in every language, so that a library can be shared. */
export const TAG = "favourite";
/** @type {Set<number>} */
const favourites = new Set();

/** @param {number} id */
export const isFavourite = (id) => favourites.has(id);

let isStarted = false;

/** Know which pictures are favourites from now on; nobody waits for it. */
export function startFavourites() {
  if (isStarted) return;
  isStarted = true;
  read();
  for (const told of ["tagged", "indexed"]) bus.addEventListener(told, read);
}

/** Read which they are, and tell. */
async function read() {
  try {
    let cursor = null;
    const found = [];
    do {
      const page = await api.search({ query: `tag:${TAG}`, limit: 500, ...(cursor ? { cursor } : {}) });
      found.push(...page.hits.map((hit) => hit.id));
      cursor = page.next_cursor;
    } while (cursor);
    favourites.clear();
    for (const id of found) favourites.add(id);
    bus.dispatchEvent(new CustomEvent("favourites"));
  } catch (error) {
    if (!(error instanceof Problem)) throw error; // nobody waits for it
  }
}

/** Make a picture a favourite, or take that back. @param {number} id */
export async function toggleFavourite(id) {
  const on = !favourites.has(id);
  try {
    await api.tag(id, on ? { add: [TAG] } : { remove: [TAG] });
    if (on) favourites.add(id); else favourites.delete(id);
    toast(on ? t("Now a favourite") : t("No favourite any more"));
    bus.dispatchEvent(new CustomEvent("favourites"));
    bus.dispatchEvent(new CustomEvent("tagged"));
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    toast(error.message);
  }
}
