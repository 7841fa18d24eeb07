// How to ask, and which keys there are.

import { el, openSheet } from "./dom.js";
import { t } from "./language.js";
import { found } from "./search.js";
import { go } from "./state.js";

/** Every form of a query, with one to try; the number is that of a picture that there is. */
const queries = () => [
  [t("beach at sunset"), t("words, in any number and language; emoji too")],
  ["🐶 + 해변", t("words of other languages and emoji, as if they were English")],
  [t("beach - people"), t("like one thing, unlike another; + and - stand between spaces")],
  [t("2*beach + sunset"), t("one counts twice as much")],
  ["tag:holiday - tag:work", t("only pictures with a tag, without another")],
  ["caption:dog", t("only pictures whose caption has this word")],
  ["year:2023|2024 - month:12", t("only pictures of these years, but not of that month; days too: after:2024-06-01")],
  ["camera:canon + iso:>1600", t("only what a camera took, and how: lens, mm, mp and rating as well")],
  ["in:Summer + type:heic|raw", t("only pictures in a folder, of these formats; name:IMG_12* for the names of files")],
  ["near:47.37,8.54,5km", t("only pictures that were taken there; place:Zurich by its name")],
  [`#${found.hits[0]?.id || 12} - dog + cat`, t("a picture of the library, by its number; easier: drag it here")],
];
const KEYS = [
  ["/", t("to the search box")], [t("arrows"), t("from picture to picture")], ["Enter", t("open a picture")],
  ["Esc", t("close, clear the selection, back to the box")], ["+ -", t("more, less like this picture")],
  ["+ - 0", t("in a picture: closer, further away, all of it")],
  ["f", t("a favourite: the tag favourite, given and taken back")],
  [t("x or Space"), t("select; with Shift up to here")], ["Ctrl+A", t("select all")], ["?", t("this page")],
];

export function showHelp() {
  const sheet = openSheet(t("How to ask"),
    el("dl", { class: "help" }, queries().map(([query, text]) => el("div", {},
      el("dt", {}, el("button", { type: "button", class: "link", title: t("Try it"), on: { click: () => { sheet.close(); go({ page: "/", q: query, open: 0, filters: {} }); } } }, query)),
      el("dd", {}, text)))),
    el("p", {}, t("Drop, paste or choose a file to search with a picture of yours. It is compared, and forgotten after a while; it does not enter the library.")),
    el("p", {}, el("a", { href: "/docs" }, t("For programs: the reference of the API"))),
    el("h3", {}, t("Keys")),
    el("dl", { class: "help keys" }, KEYS.map(([key, text]) => el("div", {}, el("dt", {}, el("kbd", {}, key)), el("dd", {}, text)))),
  );
}
