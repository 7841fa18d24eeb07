// The search box: typing asks at once, suggestions are a combobox, unknown words are underlined.

import { api, isAborted, Problem } from "./api.js";
import { named } from "./chips.js";
import { byId, count, debounce, el, icon } from "./dom.js";
import { filled, t } from "./language.js";
import { found } from "./search.js";
import { bus, go, state, toggleFilter } from "./state.js";

const ASK_AFTER = 140; // ms of quiet before a half-typed query is asked
const UNFINISHED_AFTER = 1500; // the same for one that cannot be read yet: nobody wants to be told while typing
const SUGGEST_AFTER = 40;
const MOST = 10; // suggestions that are shown
/** How many of a kind are shown if there are others, in this order: most people look for what they see. */
const SHARES = { word: 6, tag: 3, folder: 2 };
const KINDS = { tag: t("tag"), folder: t("folder") };
const ICONS = { word: "word", tag: "tag", folder: "folder" };

const input = /** @type {HTMLInputElement} */ (byId("q"));
const list = byId("suggestions");
const mirror = byId("mirror");
let suggesting = new AbortController();
/** @type {any[]} */
let suggestions = [];
let chosen = -1;
let typedAt = 0;
let typing = false; // the change of the state comes from here
/** @type {{word: string, suggestion: ?string}[]} */
let unknown = [];
/** What may have been meant otherwise, in the words of the server. @type {string[]} */
let hints = [];

/** Ask what the box says; words typed in one go are one entry of the history. */
function ask(how) {
  later.cancel();
  if (input.value === state.q) return;
  const now = Date.now();
  typing = true;
  go({ q: input.value, open: 0, unlikely: false }, how || (now - typedAt < 4000 ? "replace" : "push"));
  typing = false;
  typedAt = now;
}
const soon = debounce(() => ask(), ASK_AFTER);
const unfinished = debounce(() => ask(), UNFINISHED_AFTER);
const later = () => { later.cancel(); (isUnfinished(input.value) ? unfinished : soon)(); };
later.cancel = () => { soon.cancel(); unfinished.cancel(); };
/** Tell whether a query is on its way: "dog -", 5*, an open quote. */
const isUnfinished = (text) => /[+\-*"@#:]\s*$|\b(?:after|before|year|month|near|iso|mm|mp|rating|type|shape):\S*$/i.test(text) || (text.match(/"/g) || []).length % 2 === 1;

function close() {
  suggesting.abort();
  suggest.cancel();
  suggestions = [];
  chosen = -1;
  list.hidden = true;
  input.setAttribute("aria-expanded", "false");
  input.removeAttribute("aria-activedescendant");
}

function choose(index) {
  chosen = index;
  [...list.children].forEach((node, at) => node.setAttribute("aria-selected", String(at === index)));
  if (index < 0) input.removeAttribute("aria-activedescendant");
  else {
    input.setAttribute("aria-activedescendant", `suggestion-${index}`);
    list.children[index].scrollIntoView({ block: "nearest" });
  }
}

/** Put a suggestion in place of the word at the end of what stands before the caret. */
function accept(index) {
  const { insert, kind } = suggestions[index];
  const caret = input.selectionStart ?? input.value.length;
  const head = input.value.slice(0, caret), tail = input.value.slice(caret);
  const start = wordStart(head);
  // A folder is a filter beside the query, not a part of it.
  const text = kind === "folder" ? head.slice(0, start).replace(/[+-]\s*$/, "") : `${head.slice(0, start)}${insert} `;
  input.value = text + tail.trimStart();
  input.setSelectionRange(text.length, text.length);
  close();
  shown();
  ask();
  if (kind === "folder" && !(state.filters.folder || []).includes(insert)) toggleFilter("folder", insert);
}

/** Where the word at the end begins: after a space, or after the quote of tag:"hot d. */
function wordStart(head) {
  const open = /(?:^|\s)((?:tag|caption):"[^"]*)$/.exec(head);
  if (open) return head.length - open[1].length;
  const weight = /(?:^|\s)(?:[0-9.]+\*)?(\S*)$/.exec(head);
  return head.length - (weight ? weight[1].length : 0);
}

/** Words before tags before folders, some of each. */
function ordered(all) {
  const kinds = Object.keys(SHARES).map((kind) => all.filter((one) => one.kind === kind)).filter((some) => some.length);
  return kinds.flatMap((some) => (kinds.length > 1 ? some.slice(0, SHARES[some[0].kind]) : some)).slice(0, MOST);
}

const suggest = debounce(async () => {
  const caret = input.selectionStart ?? input.value.length;
  const head = input.value.slice(0, caret);
  suggesting.abort();
  if (!/\S$/.test(head) || /(?:^|\s)[+-]$/.test(head)) return close();
  suggesting = new AbortController();
  try {
    const answer = await api.suggest(head.slice(0, wordStart(head)).replace(/\S+$/, "") + head.slice(wordStart(head)), suggesting.signal);
    if (document.activeElement !== input) return;
    suggestions = ordered(answer.suggestions);
    list.replaceChildren(...suggestions.map((one, index) =>
      el("div", {
        role: "option", id: `suggestion-${index}`, class: "option", "aria-selected": "false",
        on: { pointerdown: (event) => { event.preventDefault(); accept(index); } },
      }, icon(ICONS[one.kind] || "word"), el("span", { class: "text" }, one.text),
      el("span", { class: "kind" }, KINDS[one.kind] || one.english || "", one.count ? ` ${count(one.count)}` : ""))));
    chosen = -1;
    list.hidden = !suggestions.length;
    input.setAttribute("aria-expanded", String(!list.hidden));
    input.removeAttribute("aria-activedescendant");
  } catch (error) {
    if (isAborted(error)) return;
    if (!(error instanceof Problem)) throw error;
    close(); // the search itself will say what is wrong
  }
}, SUGGEST_AFTER);

/** Draw the text again behind the box, with a line under words that the model does not know. */
function shown() {
  byId("clear").hidden = !input.value;
  const words = new Set(unknown.map((one) => one.word.toLowerCase()));
  mirror.replaceChildren(...input.value.split(/([\p{L}\p{M}\p{N}'-]+)/u).map((part) =>
    words.has(part.toLowerCase()) ? el("mark", {}, part) : document.createTextNode(part)));
  mirror.scrollLeft = input.scrollLeft;
}

/** Words that the model does not know, each with a button for its nearest spelling. */
const unknownLines = () => unknown.map(({ word, suggestion }) =>
  el("p", {}, suggestion
    ? filled("The model does not know {word}. Did you mean {suggestion}?", { word: el("em", {}, word), suggestion: el("button", { type: "button", class: "link", on: { click: () => replaceWord(word, suggestion) } }, suggestion) })
    : filled("The model does not know {word}.", { word: el("em", {}, word) })));

/** Say beneath the box what was not understood, or why there is no answer. */
function notes(problem = null) {
  byId("notes").replaceChildren(...(problem ? told(problem) : [...unknownLines(), ...hints.map((hint) => el("p", {}, hint))]));
}

/** What there is to say of a question that has no answer. @param {Problem} problem */
export function told(problem) {
  if (problem.body.type === "urn:lexpix:unknown-words") return [el("p", { class: "big" }, t("No word of this is known.")), ...unknownLines()];
  const [line, ...where] = named(problem.message).split("\n");
  return [
    el("p", { class: "big" }, problem.body.type === "urn:lexpix:query-syntax" ? t("This cannot be read as a query.") : t("There is no answer to this.")),
    el("p", { class: "problem" }, line.replace(/:$/, "")),
    where.length ? el("pre", {}, where.join("\n")) : "",
  ];
}

function replaceWord(word, by) {
  const pattern = new RegExp(`(?<![\\p{L}\\p{N}])${word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}(?![\\p{L}\\p{N}])`, "giu");
  input.value = input.value.replace(pattern, () => by);
  input.focus();
  ask("push");
}

/** Wire the box. */
export function startBox() {
  input.value = state.q;
  shown();
  input.addEventListener("input", () => { shown(); suggest(); later(); });
  input.addEventListener("scroll", () => { mirror.scrollLeft = input.scrollLeft; });
  input.addEventListener("blur", () => setTimeout(close, 100));
  input.addEventListener("keydown", (event) => {
    const open = !list.hidden, most = suggestions.length;
    if (event.key === "ArrowDown" && open) choose((chosen + 1) % most);
    else if (event.key === "ArrowUp" && open) choose(chosen <= 0 ? most - 1 : chosen - 1);
    else if (event.key === "Escape" && open) close();
    else if (event.key === "Tab" && open && chosen >= 0) accept(chosen);
    else if (event.key === "Escape") input.blur();
    else if (event.key === "ArrowDown") bus.dispatchEvent(new CustomEvent("enter-grid"));
    else return;
    event.preventDefault();
  });
  byId("search").addEventListener("submit", (event) => {
    event.preventDefault();
    if (chosen >= 0) return accept(chosen);
    close();
    if (["/recipes", "/duplicates"].includes(state.page)) go({ page: "/", q: input.value });
    ask("push");
    typedAt = 0; // what is typed next is another question, however soon
  });
  byId("clear").addEventListener("click", () => {
    input.value = "";
    input.focus();
    shown();
    ask("push");
  });
  bus.addEventListener("state", () => {
    if (!typing) {
      later.cancel();
      if (input.value !== state.q) input.value = state.q;
    }
    shown();
  });
  bus.addEventListener("answer", () => {
    // What was typed since is the next question.
    if (document.activeElement !== input && input.value === state.q) input.value = found.answer.query ?? state.q;
    unknown = found.answer.unknown_words || [];
    hints = found.answer.hints || [];
    shown();
    notes();
  });
  bus.addEventListener("problem", (event) => {
    const { error, stays } = /** @type {CustomEvent} */ (event).detail;
    if (stays) return;
    unknown = error.body.unknown_words || [];
    shown();
    if (state.page === "/map") notes(error); // elsewhere it stands in place of the pictures
    else byId("notes").replaceChildren();
  });
}
