// The texts of the page in the language of its reader. The server chose the language and put its
// texts into the document; a text is found by its English one, which stands in for it.

/** Code of the language of the page. */
export const LANGUAGE = document.documentElement.lang || "en";

/** @type {Record<string, string>} */
const texts = JSON.parse(document.getElementById("texts")?.textContent || "{}");
const rules = new Intl.PluralRules(LANGUAGE);
const numbers = new Intl.NumberFormat(LANGUAGE);
export const percents = new Intl.NumberFormat(LANGUAGE, { style: "percent" });

/**
 * A text of the page, with values in place of their names in braces.
 * @param {string} text in English @param {Record<string, string|number>} [values]
 */
export const t = (text, values = {}) =>
  (texts[text] || text).replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));

/**
 * The same with elements as values: a list of what to append.
 * @param {string} text @param {Record<string, Node|string>} values
 */
export const filled = (text, values) =>
  (texts[text] || text).split(/\{(\w+)\}/).map((part, at) => (at % 2 ? values[part] : part)).filter((part) => part !== "");

/**
 * A text that counts: `{n} picture` or `{n} pictures`.
 * @param {number} n @param {string} one @param {string} many
 */
export const plural = (n, one, many) => t(rules.select(n) === "one" ? one : many, { n: numbers.format(n) });

/** A time in a film as people write it: 0:42. @param {number} seconds */
export const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;
