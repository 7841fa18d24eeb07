// How to ask, and which keys there are.

import { el, openSheet } from "./dom.js";
import { go } from "./state.js";

const QUERIES = [
  ["beach at sunset", "words, in any number"],
  ["beach - people", "like one thing, unlike another; + and - stand between spaces"],
  ["2*beach + sunset", "one counts twice as much"],
  ["tag:holiday - tag:work", "only pictures with a tag, without another"],
  ["caption:dog", "only pictures whose caption has this word"],
  ["#12 - dog + cat", "a picture of the library, by its number; easier: drag it here"],
];
const KEYS = [
  ["/", "to the search box"], ["arrows", "from picture to picture"], ["Enter", "open a picture"],
  ["Esc", "close, clear the selection, back to the box"], ["+ and -", "more, less like this picture"],
  ["x or Space", "select; with Shift up to here"], ["Ctrl+A", "select all"], ["?", "this page"],
];

export function showHelp() {
  const sheet = openSheet("How to ask",
    el("dl", { class: "help" }, QUERIES.map(([query, text]) => el("div", {},
      el("dt", {}, el("button", { type: "button", class: "link", on: { click: () => { sheet.close(); go({ page: "/", q: query, open: 0 }); } } }, query)),
      el("dd", {}, text)))),
    el("p", {}, "Drop, paste or choose a file to search with a picture of yours. It is compared, and forgotten after a while; it does not enter the library."),
    el("h3", {}, "Keys"),
    el("dl", { class: "help keys" }, KEYS.map(([key, text]) => el("div", {}, el("dt", {}, el("kbd", {}, key)), el("dd", {}, text)))),
  );
}
