// Duplicates: groups side by side, which picture of each to keep, and a list of the others to copy.
// Nothing is moved or deleted from here; the command line has the trash.

import { api, isAborted, Problem, thumbOf } from "./api.js";
import { byId, copyText, count, el, icon, nameOf, shortPath, size } from "./dom.js";
import { plural, t } from "./language.js";
import { bus, go, href, state } from "./state.js";

/** @typedef {{id: number, path: string, width: ?number, height: ?number, size: number, thumb: string, tags: string[]}} Member */
/** @typedef {{kind: string, reasons: string[], bytes: number, keep: Member, others: Member[]}} Group */

const PAGE = 20, ALL = 500;
const view = byId("view-duplicates");
const KINDS = { near: t("The same picture"), exact: t("The same bytes"), burst: t("Bursts") };
const REASONS = {
  undamaged: t("whole"), resolution: t("more pixels"), format: "RAW", metadata: t("says when it was taken"), sharpness: t("sharper"),
  size: t("more bytes"), tags: t("your tags"), oldest: t("oldest file"), path: t("shortest path"),
};
/** What the reader would rather keep, by the server's choice. @type {Map<number, number>} */
const choices = new Map();
let asking = new AbortController();
let cursor = null, shown = "", parts = null;

const kind = () => (state.kind in KINDS ? state.kind : "near");
const membersOf = (group) => [group.keep, ...group.others];
const keptOf = (group) => membersOf(group).find((one) => one.id === choices.get(group.keep.id)) || group.keep;

function build() {
  const status = el("p", { role: "status" }), problem = el("p", { class: "problem", role: "alert" });
  const copy = el("button", { type: "button", class: "plain", disabled: true, on: { click: copyList } }, icon("copy"), el("span", {}, t("Copy the list")));
  const kinds = el("div", { class: "kinds", role: "group", "aria-label": t("Kinds of duplicates") });
  const list = el("div", {}), note = el("p", { class: "quiet-text" });
  const more = el("button", { type: "button", class: "plain", hidden: true, on: { click: () => fetchMore() } }, t("Show more"));
  view.replaceChildren(el("h1", { class: "sr" }, t("Duplicates")), el("div", { class: "bar" }, kinds, status, copy), note, problem, list, more);
  parts = { status, problem, copy, kinds, list, note, more };
}

function drawKinds() {
  parts.kinds.replaceChildren(...Object.entries(KINDS).map(([name, label]) => el("a", {
    class: "plain", href: href({ page: "/duplicates", kind: name === "near" ? "" : name }), "aria-current": String(name === kind()),
    on: { click: (event) => { if (event.ctrlKey || event.metaKey) return; event.preventDefault(); go({ kind: name === "near" ? "" : name }); } },
  }, label)));
}

/** @param {Group} group @param {Member} one */
function figure(group, one, draw) {
  const kept = keptOf(group), isKept = one === kept;
  const why = kept === group.keep ? group.reasons.map((reason) => REASONS[reason] || reason).join(", ") : t("your choice");
  const open = (event) => { if (event.ctrlKey || event.metaKey) return; event.preventDefault(); go({ open: one.id }); };
  const facts = [one.width && `${one.width} × ${one.height}`, size(one.size), ...one.tags].filter(Boolean).join(" · ");
  return el("li", { class: isKept ? "kept" : "", data: { id: one.id } }, el("figure", {},
    el("a", { href: href({ open: one.id }), on: { click: open } }, el("img", { src: one.thumb || thumbOf(one.id), alt: nameOf(one.path), loading: "lazy" })),
    el("figcaption", {}, el("div", { class: "name" }, nameOf(one.path)), el("div", { class: "quiet-text", title: one.path }, shortPath(one.path.slice(0, -nameOf(one.path).length))), el("div", { class: "quiet-text" }, facts)),
    isKept ? el("p", {}, el("strong", {}, t("Keep")), why && el("span", { class: "quiet-text" }, ` · ${why}`))
      : el("button", { type: "button", class: "plain", on: { click: () => { choices.set(group.keep.id, one.id); draw(one.id); } } }, t("Keep this instead"))));
}

/** @param {Group} group */
function card(group) {
  const list = el("ul", {});
  const draw = (focus = 0) => {
    list.replaceChildren(...membersOf(group).map((one) => figure(group, one, draw)));
    if (focus) list.querySelector(`[data-id="${focus}"] a`).focus(); // its button is gone
  };
  draw();
  const label = plural(membersOf(group).length, "{n} picture", "{n} pictures");
  return el("section", { class: "group", "aria-label": label }, list);
}

async function attempt(run) {
  parts.problem.textContent = "";
  try {
    await run();
  } catch (error) {
    if (isAborted(error)) return;
    if (!(error instanceof Problem)) throw error;
    parts.problem.textContent = error.message;
  }
}

const fetchMore = () => attempt(async () => {
  const page = await api.duplicates({ kind: kind(), limit: PAGE, cursor }, asking.signal);
  parts.list.append(...page.groups.map(card));
  ({ next_cursor: cursor } = page);
  parts.more.hidden = !cursor;
  parts.copy.disabled = !page.total;
  parts.status.textContent = page.total
    ? `${plural(page.total, "{n} group", "{n} groups")} · ${t("{n} to spare ({size})", { n: count(page.spare), size: size(page.bytes) })}`
    : t("No duplicates of this kind.");
  parts.note.textContent = page.unmeasured && kind() !== "exact"
    ? t("{n} pictures were never looked at; run: {command}", { n: count(page.unmeasured), command: "lexpix dupes" }) : "";
});

/** The paths of what is not to be kept, of all groups of the kind, one a line. */
const copyList = () => attempt(async () => {
  const paths = [];
  let from = null;
  do {
    const page = await api.duplicates({ kind: kind(), limit: ALL, cursor: from });
    for (const group of page.groups) paths.push(...membersOf(group).filter((one) => one !== keptOf(group)).map((one) => one.path));
    from = page.next_cursor;
  } while (from);
  await copyText(paths.join("\n"), t("The list"));
});

function load() {
  asking.abort();
  asking = new AbortController();
  shown = kind();
  cursor = null;
  parts.list.replaceChildren();
  parts.more.hidden = true;
  parts.copy.disabled = true;
  parts.status.textContent = t("Comparing pictures");
  drawKinds();
  fetchMore();
}

/** Show the view. */
export function show() {
  if (!parts) {
    build();
    bus.addEventListener("indexed", () => { shown = ""; if (state.page === "/duplicates") load(); });
  }
  if (shown !== kind()) load();
}
