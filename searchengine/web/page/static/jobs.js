// Index runs: a strip with the progress of the one that is running, and a form to start one.

import { api, Problem } from "./api.js";
import { byId, count, el, openSheet, toast } from "./dom.js";
import { startFailures } from "./failures.js";
import { plural, t } from "./language.js";
import { bus } from "./state.js";

const EVERY = 20000; // ms between questions whether somebody else started one
const SOON = 1000; // while a server that watches its folders goes through all of them
let followed = "";
const strip = byId("jobs");
const isLocal = document.body.dataset.local === "yes";
const RUNNING = new Set(["running", "starting", "queued", "waiting"]);

function draw(job) {
  const { done = 0, total = 0 } = job;
  const bar = el("progress", { max: total || 1, "aria-label": nameOfJob(job) });
  if (total) bar.value = done;
  else bar.removeAttribute("value");
  strip.replaceChildren(
    el("span", { class: "folder" }, nameOfJob(job)), bar,
    el("span", { class: "amount" }, total ? t("{done} of {total}", { done: count(done), total: count(total) }) : t("looking for pictures")),
    isLocal ? el("button", { type: "button", class: "link", on: { click: () => cancel(job.id) } }, t("Stop")) : "",
  );
  strip.hidden = false;
}

async function cancel(id) {
  try {
    await api.cancelJob(id);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    toast(error.message);
  }
}

function follow(job) {
  if (followed === job.id) return;
  followed = job.id;
  if (job.kind === "retry") job.folder ??= t("what could not be read");
  const events = api.jobEvents(job.id);
  draw(job);
  const finish = (text) => {
    events.close();
    followed = "";
    strip.hidden = true;
    if (text) toast(text);
    bus.dispatchEvent(new CustomEvent("indexed"));
  };
  events.addEventListener("progress", (event) => {
    const now = JSON.parse(event.data);
    if (now.state && !RUNNING.has(now.state)) return;
    draw({ ...job, ...now });
  });
  for (const end of ["report", "done", "end", "finished"]) events.addEventListener(end, (event) => finish(said(job, JSON.parse(event.data || "{}"))));
  for (const end of ["failed", "cancelled"]) events.addEventListener(end, (event) => finish(JSON.parse(event.data || "{}").detail || t("{job}: it has ended early", { job: nameOfJob(job) })));
  events.onerror = async () => { // the stream ended: ask how
    events.close();
    const now = (await api.jobs().catch(() => ({ jobs: [] }))).jobs?.find((one) => one.id === job.id);
    followed = "";
    if (now && RUNNING.has(now.state)) setTimeout(() => follow(now), 2000);
    else finish(now ? said(job, now) : "");
  };
}

function said(job, end) {
  if (end.state && !["done", "finished", "ok"].includes(end.state)) return end.detail || end.error || t("{job}: it has ended early", { job: nameOfJob(job) });
  if (end.imported) return `${nameOfJob(job)}: ${toldOfImport(end.imported) || t("nothing new")}`;
  const report = end.report || end;
  return `${job.folder || nameOfJob(job)}: ${told(report) || `${plural(report.unchanged || 0, "{n} picture", "{n} pictures")}, ${t("nothing new")}`}`;
}

/** What a run changed, in words. @param {Record<string, number>} report */
function told(report) {
  const parts = { added: t("{n} new"), updated: t("{n} changed"), moved: t("{n} moved"), missing: t("{n} gone"), unconfirmed: t("{n} gone, but so many that they stay; if that is right, run: lexpix index --yes"), failed: t("{n} not readable") };
  return Object.entries(parts).filter(([key]) => report[key]).map(([key, text]) => text.replace("{n}", count(report[key]))).join(", ");
}

/** What an import changed, in words. @param {Record<string, number>} imported */
function toldOfImport({ keywords, removed }) {
  const parts = [keywords && t("new tags: {n}", { n: count(keywords) }), removed && t("{n} gone", { n: count(removed) })];
  return parts.filter(Boolean).join(", ");
}

/** Say that the server follows its folders, and what it does or did there. @param {any} job */
async function showWatch(job) {
  const line = byId("watching");
  const { roots } = job ? await api.status() : { roots: [] };
  line.hidden = !roots.length;
  if (line.hidden) return;
  const folders = plural(roots.length, "Watching {n} folder", "Watching {n} folders");
  const isFirst = job.state === "watching" && !job.report;
  const now = isFirst && job.total ? t("{done} of {total}", { done: count(job.done), total: count(job.total) })
    : isFirst ? t("looking for pictures") : told(job.report || {}) || t("nothing new");
  line.textContent = job.state === "watching" ? `${folders}: ${now}` : t("The folders are not watched any more: {why}", { why: job.error });
  line.title = roots.map((root) => root.path).join("\n");
  clearTimeout(soon);
  if (isFirst) soon = setTimeout(look, SOON);
}

async function look() {
  if (document.hidden) return;
  try {
    const { jobs } = await api.jobs();
    const job = jobs.find((one) => RUNNING.has(one.state));
    if (job) follow(job);
    await showWatch(jobs.find((one) => one.kind === "watch"));
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    if (error.status === 404) clearInterval(timer); // a server without the indexer
  }
}
let timer = 0, soon = 0;

const start = async (folder) => follow(await api.startJob(folder));
const retry = async () => follow(await api.startRetry());
/** What a job does, in words. */
function nameOfJob(job) {
  if (job.kind === "retry") return t("Reading again what could not be read");
  return job.kind === "import" ? t("Importing keywords as tags") : t("Indexing {folder}", { folder: job.folder });
}

/** Let somebody choose a folder to index. @param {HTMLElement} box where the form stands */
export async function chooseFolder(box) {
  box.append((await import("./folders.js")).folderChooser(start));
}

/** Ask for a folder and index it. */
export async function askFolder() {
  if (!isLocal) return;
  const { folderChooser } = await import("./folders.js");
  const sheet = openSheet(t("Index a folder"),
    el("p", {}, t("The whole path of a folder on this computer. Its pictures are read, nothing is changed in it.")),
    folderChooser(async (folder) => { await start(folder); sheet.close(); }));
  sheet.querySelector("input").focus();
}

/** Wire the strip. */
export function startJobs() {
  timer = setInterval(look, EVERY);
  bus.addEventListener("back", look);
  bus.addEventListener("indexed", () => setTimeout(look, SOON)); // the run that did it ends a little later
  startFailures(retry);
  look();
}

