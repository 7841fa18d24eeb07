// What could not be read, why, and another try.

import { api, Problem } from "./api.js";
import { byId, count, el, openSheet } from "./dom.js";
import { plural, t } from "./language.js";
import { bus } from "./state.js";

const PAGE = 100;
const isLocal = document.body.dataset.local === "yes";

/** Show how many there are where folders are indexed; nothing if there are none. */
async function look() {
  const link = byId("failures");
  try {
    const { total } = await api.failures(1);
    link.hidden = !total;
    link.textContent = plural(total, "{n} file could not be read", "{n} files could not be read");
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
  const sheet = openSheet(t("What could not be read"), status, again, problem, list, more);
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
    list.append(...page.failures.map((one) => el("li", {}, el("span", { class: "path" }, one.path), el("span", { class: "quiet-text" }, one.reason))));
    cursor = page.next_cursor;
    more.hidden = !cursor;
    status.textContent = t("{done} of {total}", { done: count(list.children.length), total: count(page.total) });
  });
  fetchMore();
}

/** Wire the link. @param {() => Promise<void>} retry */
export function startFailures(retry) {
  byId("failures").addEventListener("click", () => open(retry));
  bus.addEventListener("indexed", look);
  look();
}
