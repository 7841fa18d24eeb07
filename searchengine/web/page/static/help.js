// How to ask, and which keys there are.

import { el, openSheet } from "./dom.js";
import { t } from "./language.js";
import { go } from "./state.js";

const QUERIES = [
  [t("beach at sunset"), t("words, in any number and language; emoji too")],
  [t("beach - people"), t("like one thing, unlike another; + and - stand between spaces")],
  [t("2*beach + sunset"), t("one counts twice as much")],
  ["tag:holiday - tag:work", t("only pictures with a tag, without another")],
  ["caption:dog", t("only pictures whose caption has this word")],
  ["#12 - dog + cat", t("a picture of the library, by its number; easier: drag it here")],
];
const KEYS = [
  ["/", t("to the search box")], [t("arrows"), t("from picture to picture")], ["Enter", t("open a picture")],
  ["Esc", t("close, clear the selection, back to the box")], ["+ -", t("more, less like this picture")],
  [t("x or Space"), t("select; with Shift up to here")], ["Ctrl+A", t("select all")], ["?", t("this page")],
];

export function showHelp() {
  const sheet = openSheet(t("How to ask"),
    el("dl", { class: "help" }, QUERIES.map(([query, text]) => el("div", {},
      el("dt", {}, el("button", { type: "button", class: "link", on: { click: () => { sheet.close(); go({ page: "/", q: query, open: 0 }); } } }, query)),
      el("dd", {}, text)))),
    el("p", {}, t("Drop, paste or choose a file to search with a picture of yours. It is compared, and forgotten after a while; it does not enter the library.")),
    el("h3", {}, t("Keys")),
    el("dl", { class: "help keys" }, KEYS.map(([key, text]) => el("div", {}, el("dt", {}, el("kbd", {}, key)), el("dd", {}, text)))),
  );
}
