// What could not be read, why, and another try; and what was passed over.

import { api, Problem } from "./api.js";
import { byId, count, el, openSheet } from "./dom.js";
import { filled, plural, t } from "./language.js";
import { bus } from "./state.js";

const PAGE = 100;
const isLocal = document.body.dataset.local === "yes";

/** Show how many there are where folders are indexed; nothing if there are none. */
async function look() {
  const link = byId("failures");
  try {
    const { failures, damaged, skipped, remedies } = await api.status();
    const passed = Object.values(skipped).reduce((all, number) => all + number, 0);
    const curable = Object.keys(remedies).length > 0; // a library of nothing but pictures and notes needs no word
    link.hidden = !failures && !damaged && !curable;
    link.textContent = [
      failures && plural(failures, "{n} file could not be read", "{n} files could not be read"),
      damaged && plural(damaged, "{n} file was seen in part", "{n} files were seen in part"),
      curable && plural(passed, "{n} file was passed over", "{n} files were passed over"),
    ].filter(Boolean).join(" · ");
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    link.hidden = true;
  }
}

/** @param {() => Promise<void>} retry begins to read all of them again */
function open(retry) {
  const list = el("ul", { class: "failures" });
  const more = el("button", { type: "button", class: "link", hidden: true, on: { click: () => fetchMore() } }, t("Show more"));
  const problem = el("p", { class: "problem", role: "alert" });
  const status = el("p", { role: "status" });
  const again = isLocal && el("button", { type: "button", class: "main", on: { click: () => attempt(async () => { await retry(); sheet.close(); }) } }, t("Read them again"));
  const passed = el("section", { hidden: true });
  const sheet = openSheet(t("What could not be read"), status, again, problem, list, more, passed);
  let cursor = null;

  async function attempt(run) {
    problem.textContent = "";
    try {
      await run();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      problem.textContent = error.message;
    }
  }
  const fetchMore = () => attempt(async () => {
    const page = await api.failures(PAGE, cursor);
    list.append(...page.failures.map((one) => el("li", {}, el("span", { class: "path" }, one.path), el("span", { class: "quiet-text" }, one.reason, one.partial ? ` · ${t("It can be found.")}` : ""))));
    cursor = page.next_cursor;
    more.hidden = !cursor;
    for (const node of [again, list]) if (node) node.hidden = !page.total;
    status.textContent = !page.total ? t("Every picture could be read.") : t("{done} of {total}", { done: count(list.children.length), total: count(page.total) });
  });
  fetchMore();
  attempt(async () => passedOver(passed, await api.status()));
}

/** Say which files were passed over, and what would have them read. @param {HTMLElement} box */
function passedOver(box, { skipped, remedies }) {
  const entries = Object.entries(skipped);
  box.hidden = !entries.length;
  if (box.hidden) return;
  const by = (hint) => entries.filter(([ending]) => (remedies[ending] || "") === hint)
    .map(([ending, number]) => (ending ? `${count(number)} ${ending}` : plural(number, "{n} other", "{n} others"))).join(", ");
  const hints = [...new Set(Object.values(remedies)), ""].filter(by);
  box.replaceChildren(el("h3", {}, t("Passed over")), el("ul", { class: "failures" }, hints.map((hint) => el("li", {},
    el("span", { class: "path" }, by(hint)),
    el("span", { class: "quiet-text" }, ...(hint ? filled("They are read after {command}, when their folder is indexed again.", { command: el("code", {}, hint) }) : [t("No pictures, as far as their names say.")]))))));
}

/** Wire the link. @param {() => Promise<void>} retry */
export function startFailures(retry) {
  byId("failures").addEventListener("click", () => open(retry));
  bus.addEventListener("indexed", look);
  look();
}
