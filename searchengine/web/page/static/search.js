// Asks the server and tells everybody what it answered. A newer question aborts an older one.

import { api, isAborted, Problem } from "./api.js";
import { bus, filtersOf, questionOf, state } from "./state.js";

const PAGE = 60;
/** Values of a facet that are listed until the reader asks for more; `first_search` in pages.py says the same. */
export const FEW_VALUES = 12;
/** Filters that a model may have guessed: they sort by how sure it was. */
const UNSURE = new Set(["tag", "caption"]);

/**
 * @typedef {{id: number, path: string, score: number, match: ?number, band: ?string, thumb: string,
 *   width: number, height: number, taken_at: ?string, duplicates?: Hit[], behind?: number}} Hit
 */

/** What is on the screen now. */
export const found = {
  /** @type {any} the first page of the answer */ answer: null,
  /** @type {Hit[]} */ hits: [],
  /** @type {?string} */ cursor: null,
  question: "",
  /** @type {?Problem} why there is no answer, if there is none */ problem: null,
};
/** How the next answer is shown: from its top, else at a place in it, and with how much of its facets. */
export const coming = { fresh: true, place: 0, allValues: false };

/** The address of the first answer, which the browser has been fetching since before the scripts. */
let early = document.querySelector("link[rel=preload][as=fetch]")?.getAttribute("href");
/** The page and the question that it answers. */
const earlyFor = [state.page, questionOf(state)].join("\n");
/** The view that asked last; others than that of pictures ask for less. */
let askedBy = "";
let running = new AbortController();
/** @type {?Promise<void>} */
let loading = null;
let generation = 0;

const NOTHING = { hits: [], terms: [], filters_in_query: [], unknown_words: [], facets: {}, total: 0, next_cursor: null, took_ms: 0 };

const tell = (name, detail = {}) => bus.dispatchEvent(new CustomEvent(name, { detail }));

/** In which order pictures stand: filters alone list them by date, as the server does. */
export function sortedBy() {
  if (state.sort && state.sort !== "match") return state.sort;
  const { terms = [], filters_in_query: filters = [] } = found.answer || {};
  const isRanked = found.answer ? terms.length || filters.some((one) => !one.excluded && UNSURE.has(one.kind)) : state.q.trim();
  return isRanked ? "match" : "newest";
}

/** What is asked, as the server wants it. */
export function question() {
  return {
    ...(state.q.trim() ? { query: state.q } : {}),
    filters: filtersOf(),
    ...(state.sort ? { sort: state.sort } : {}),
    unlikely: state.unlikely,
  };
}

/** How many hits a view needs at first: beside those of pictures, what a query lights up on the map. */
const needed = () => (state.page === "/" || (state.page === "/map" && (state.q.trim() || Object.keys(state.filters).length)) ? PAGE : 1);

/** Whether what is here is all that the view of pictures shows; other views ask for less. */
export const isEnough = () => state.page !== "/" || (askedBy === "/" && !found.problem);

/** A page of hits, in which one picture stands for those that are the same. */
const page = (limit, more = {}) => api.search({ ...question(), collapse: true, limit, ...more }, running.signal);

/**
 * Ask what the state asks. Sends "answer", or "problem" with the error.
 * @param {{atLeast?: number, quiet?: boolean}} [options] how many hits are wanted, to come back to a
 *   place; whether nobody waits for it
 */
export async function run({ atLeast = 0, quiet = false } = {}) {
  running.abort();
  running = new AbortController();
  loading = null;
  const mine = ++generation;
  const asked = questionOf(state);
  askedBy = state.page;
  if (!quiet) tell("asking");
  try {
    const limit = Math.min(500, Math.max(needed(), atLeast));
    const facets = state.page === "/" ? { with: ["facets"], ...(coming.allValues ? {} : { facet_values: FEW_VALUES }) } : {};
    const isEarly = early && earlyFor === [state.page, asked].join("\n");
    const asking = isEarly ? api.preloaded(early, running.signal) : page(limit, facets);
    early = "";
    const answer = await asking;
    if (mine !== generation) return;
    Object.assign(found, { answer, hits: answer.hits, cursor: answer.next_cursor, question: asked, problem: null });
    while (found.hits.length < atLeast && found.cursor) {
      const next = await page(500, { cursor: found.cursor });
      if (mine !== generation) return;
      found.hits = found.hits.concat(next.hits);
      found.cursor = next.next_cursor;
    }
    tell("answer");
  } catch (error) {
    if (isAborted(error) || mine !== generation) return;
    if (!(error instanceof Problem)) throw error;
    // What was answered before is no answer to this; only that of the same question may stay.
    const stays = asked === found.question && found.answer && !found.problem && !(error.status >= 400 && error.status < 500);
    if (!stays) Object.assign(found, { answer: NOTHING, hits: [], cursor: null, question: asked, problem: error });
    tell("problem", { error, stays });
  }
}

/** Fetch the next page if there is one; many calls at once are one. Sends "more". */
export function loadMore(limit = 120) {
  if (!found.cursor || loading) return loading;
  const mine = generation;
  loading = (async () => {
    try {
      const next = await page(limit, { cursor: found.cursor });
      if (mine !== generation) return;
      const known = new Set(found.hits.flatMap((hit) => [hit.id, ...idsBehind(hit)]));
      found.hits.push(...next.hits.filter((hit) => !known.has(hit.id)));
      found.cursor = next.next_cursor;
      tell("more");
    } catch (error) {
      if (isAborted(error) || mine !== generation) return;
      if (!(error instanceof Problem)) throw error;
      found.cursor = null; // scrolling must not ask a broken server again and again
      tell("stuck", { error });
    } finally {
      if (mine === generation) loading = null;
    }
  })();
  return loading;
}

/** The pictures before and after one, for the detail view. @param {number} id */
export function neighbours(id) {
  const at = found.hits.findIndex((hit) => hit.id === id);
  if (at >= 0 && at > found.hits.length - 10) loadMore();
  return { before: found.hits[at - 1]?.id, after: at < 0 ? undefined : found.hits[at + 1]?.id, place: at };
}

/** @param {Hit} hit @returns {number[]} */
export const idsBehind = (hit) => (hit.duplicates || []).map((one) => one.id);

/** How many pictures were found up to here, those that others stand for among them. */
export const reached = () => found.hits.reduce((sum, hit) => sum + (hit.behind ? 0 : 1 + idsBehind(hit).length), 0);

/** Whether the pictures that one stands for are shown behind it. @param {Hit} hit */
export const isUnfolded = (hit) => idsBehind(hit).length > 0 && found.hits[found.hits.indexOf(hit) + 1]?.behind === hit.id;

/** Show what a picture stands for behind it, or hide it again. @param {Hit} hit */
export function unfold(hit) {
  const at = found.hits.indexOf(hit) + 1;
  if (isUnfolded(hit)) found.hits.splice(at, idsBehind(hit).length);
  else found.hits.splice(at, 0, ...hit.duplicates.map((one) => ({ ...hit, ...one, taken_at: hit.taken_at, duplicates: [], behind: hit.id })));
}

/** Fetch all that is left. @param {number} [most] hits */
export async function loadAll(most = 20000) {
  while (found.cursor && found.hits.length < most) await loadMore(500);
}
