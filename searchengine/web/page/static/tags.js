// The tags of one picture: accept a guess, add, remove.

import { api, Problem } from "./api.js";
import { makeDraggable } from "./chips.js";
import { el, iconButton, toast } from "./dom.js";
import { percents, t } from "./language.js";
import { bus, go } from "./state.js";

const FEW = 3, LEAST = 0.3; // guesses that are shown at once, and how sure they are at least

/**
 * @param {number} id of the picture
 * @param {{name: string, source: "user"|"guess", confidence: ?number}[]} tags
 */
export function tagEditor(id, tags) {
  const list = el("ul", { class: "taglist" });
  const input = el("input", { type: "text", "aria-label": t("New tag"), placeholder: t("Add a tag"), maxLength: 100 });
  const form = el("form", { class: "line" }, input, el("button", { type: "submit", class: "plain" }, t("Add")));

  async function change(what, focus) {
    try {
      draw((await api.tag(id, what)).tags);
      bus.dispatchEvent(new CustomEvent("tagged"));
      focus();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      toast(error.message);
    }
  }
  const back = () => input.focus();

  let all = false;
  /** Guesses that are worth a look before somebody asks for the rest. */
  const isWorth = (tag, at) => tag.source !== "guess" || (at < FEW && (tag.confidence ?? 1) >= LEAST);
  function draw(now) {
    const guesses = now.filter((tag) => tag.source === "guess");
    const shown = all ? now : now.filter((tag) => isWorth(tag, guesses.indexOf(tag)));
    const more = el("button", { type: "button", class: "link more", on: { click: () => { all = true; draw(now); list.querySelector(".guess .name")?.focus(); } } }, t("{n} more guesses", { n: now.length - shown.length }));
    list.replaceChildren(...shown.map((tag) => {
      const isGuess = tag.source === "guess";
      const sure = isGuess && tag.confidence !== null && tag.confidence !== undefined ? percents.format(tag.confidence) : "";
      const word = el("button", { type: "button", class: "name", title: isGuess ? (sure ? t("A guess, {sure} sure. Click to search", { sure }) : t("A guess. Click to search")) : t("Click to search"), on: { click: () => go({ page: "/", q: `tag:${/^[^\s"]+$/.test(tag.name) ? tag.name : `"${tag.name.replace(/["\\]/g, "\\$&")}"`}`, open: 0, filters: {} }) } }, tag.name, sure && el("span", { class: "sure" }, ` ${sure}`));
      makeDraggable(word, () => ({ text: tag.name }));
      return el("li", { class: isGuess ? "guess" : "user" }, word,
        isGuess && iconButton("check", t("Accept the tag {name}", { name: tag.name }), () => change({ accept: [tag.name] }, back)),
        iconButton("close", t("Remove the tag {name}", { name: tag.name }), () => change({ remove: [tag.name] }, back)));
    }));
    if (shown.length < now.length) list.append(el("li", { class: "rest" }, more));
    list.hidden = !now.length;
  }
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const name = input.value.trim();
    if (!name) return;
    change({ add: [name] }, () => { input.value = ""; back(); });
  });
  draw(tags);
  return el("div", {}, list, form);
}
