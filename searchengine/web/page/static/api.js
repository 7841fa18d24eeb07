// The server, as functions. Every refusal becomes a Problem with the words of the server.

import { t } from "./language.js";
import { bus } from "./state.js";

const ROOT = "/api/v1";

/** What a server says when it does not answer: RFC 9457. */
export class Problem extends Error {
  /** @param {number} status @param {any} body */
  constructor(status, body, retryAfter = 0) {
    super(body.detail || body.title || t("the server answered {status}", { status }));
    this.status = status;
    this.body = body;
    this.retryAfter = retryAfter;
  }
}

/** Tell whether an error only says that its request was not wanted any more. */
export const isAborted = (error) => error instanceof DOMException && error.name === "AbortError";

/**
 * @param {string} method @param {string} path below /api/v1
 * @param {{json?: any, body?: BodyInit, signal?: AbortSignal}} [options]
 * @returns {Promise<Response>}
 */
async function request(method, path, { json, body, signal } = {}) {
  const headers = /** @type {Record<string, string>} */ ({ Accept: "application/json" });
  if (json !== undefined) {
    headers["Content-Type"] = "application/json";
    body = JSON.stringify(json);
  }
  let response;
  try {
    response = await fetch(ROOT + path, { method, headers, body, signal, credentials: "same-origin" });
  } catch (error) {
    if (isAborted(error)) throw error;
    bus.dispatchEvent(new CustomEvent("away"));
    throw new Problem(0, { detail: t("The server does not answer. Is lexpix serve still running?") });
  }
  if (response.ok) return response;
  const told = await response.json().catch(() => ({}));
  throw new Problem(response.status, told, Number(response.headers.get("Retry-After")) || 0);
}

/** A path with parameters; empty ones are left out, lists repeat. */
export function withQuery(path, params) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== undefined && one !== null && one !== "") query.append(name, String(one));
    }
  }
  const text = query.toString();
  return text ? `${path}?${text}` : path;
}

/** Ask again once if the server is busy and says for how long. */
async function patient(ask, signal) {
  try {
    return await ask();
  } catch (error) {
    if (!(error instanceof Problem) || error.status !== 503 || !error.retryAfter) throw error;
    await new Promise((go) => setTimeout(go, 1000 * Math.min(error.retryAfter, 5)));
    if (signal?.aborted) throw new DOMException("", "AbortError");
    return ask();
  }
}

const get = (path, params = {}, signal = undefined) =>
  patient(async () => (await request("GET", withQuery(path, params), { signal })).json(), signal);
const send = async (method, path, json, signal = undefined) => (await request(method, path, { json, signal })).json();

export const api = {
  /** @param {any} body @param {AbortSignal} [signal] */
  search: (body, signal) => patient(() => send("POST", "/search", body, signal), signal),
  /** @param {string} address of an answer @param {AbortSignal} [signal] */
  preloaded: (address, signal) => get(address.slice(ROOT.length), {}, signal),
  facets: (question, signal) => send("POST", "/facets", question, signal),
  suggest: (q, signal) => get("/suggest", { q }, signal),
  upload: async (file) => {
    const body = new FormData();
    body.append("file", file, file.name || "picture");
    return (await request("POST", "/uploads", { body })).json();
  },
  image: (id, signal) => get(`/images/${id}`, {}, signal),
  similar: (id, signal) => get(`/images/${id}/similar`, { limit: 12 }, signal),
  explain: (id, q, signal) => get(`/images/${id}/explain`, { q }, signal),
  caption: (id, signal) => get(`/images/${id}/caption`, {}, signal),
  textsOf: (id, signal) => get(`/images/${id}/texts`, { limit: 6 }, signal),
  tag: (id, change) => send("PUT", `/images/${id}/tags`, { add: [], remove: [], accept: [], ...change }),
  text: (id, signal) => get(`/texts/${id}`, {}, signal),
  picturesOf: (id, signal) => get(`/texts/${id}/pictures`, { limit: 12 }, signal),
  recipes: (params, signal) => get("/recipes", params, signal),
  timeline: (question, signal) => patient(() => send("POST", "/timeline", question, signal), signal),
  places: (question, signal) => patient(() => send("POST", "/places", question, signal), signal),
  status: () => get("/status"),
  map: (signal) => get("/map", {}, signal),
  revision: () => get("/revision", {}, AbortSignal.timeout(10000)),
  jobs: () => get("/jobs"),
  startJob: (folder) => send("POST", "/jobs", { kind: "index", folder }),
  folders: (path, signal) => get("/folders", { path }, signal),
  cancelJob: (id) => request("DELETE", `/jobs/${encodeURIComponent(id)}`),
  jobEvents: (id) => new EventSource(`${ROOT}/jobs/${encodeURIComponent(id)}/events`),
  startRetry: () => send("POST", "/jobs", { kind: "retry" }),
  failures: (limit, cursor) => get("/failures", { limit, cursor }),
  duplicates: (params, signal) => get("/duplicates", params, signal),
  albums: () => get("/albums"),
  saveAlbum: (album) => send("PUT", "/albums", album),
  removeAlbum: async (id) => (await request("DELETE", `/albums/${id}`)).json(),
  /** @param {number[]} ids @param {"json"|"csv"|"zip"} form @param {(?number)[]} [matches] */
  exported: async (ids, form, matches = []) => (await request("POST", "/exports", { json: { ids, form, matches } })).blob(),
};

/** @param {number} id @param {160|320|640} [side] */
export const thumbOf = (id, side = 320) => `${ROOT}/images/${id}/thumb?size=${side}`;
/** @param {number} id */
export const fileOf = (id) => `${ROOT}/images/${id}/file`;
