// What is known of a picture from its file: when, where and how it was taken.

import { cameraOf, copyText, el, iconButton, size } from "./dom.js";
import { LANGUAGE, t } from "./language.js";

const dates = new Intl.DateTimeFormat(LANGUAGE, { dateStyle: "long", timeStyle: "short", timeZone: "UTC" });
const numbers = new Intl.NumberFormat(LANGUAGE, { maximumFractionDigits: 1 });

function dateOf(text) {
  const date = new Date(/[zZ]|[+-]\d\d:\d\d$/.test(text) ? text : `${text}Z`); // cameras know no time zones
  return Number.isNaN(date.getTime()) ? text : dates.format(date);
}

/** Seconds as photographers write them: 1/250 s, 2.5 s. @param {number} seconds */
const shutterOf = (seconds) => (seconds > 0 && seconds < 0.3 ? `1/${Math.round(1 / seconds)} s` : `${numbers.format(seconds)} s`);

/** How a picture was exposed, in one line. @param {any} image */
function exposure(image) {
  const isKnown = (value) => typeof value === "number" && value > 0;
  return [
    isKnown(image.shutter) && shutterOf(image.shutter),
    isKnown(image.aperture) && `f/${numbers.format(image.aperture)}`,
    isKnown(image.iso) && `ISO ${image.iso}`,
    isKnown(image.focal) && `${numbers.format(image.focal)} mm`,
  ].filter(Boolean).join(" · ");
}

/** The zone of the camera's clock, where the file says it: " UTC+05:30". @param {?number} minutes */
function zoneOf(minutes) {
  if (typeof minutes !== "number") return "";
  const two = (number) => String(number).padStart(2, "0"), size = Math.abs(minutes);
  return ` UTC${minutes < 0 ? "−" : "+"}${two(Math.floor(size / 60))}:${two(size % 60)}`;
}

/** @param {any} image */
export function facts(image) {
  const rows = [];
  const row = (term, ...value) => rows.push(el("div", {}, el("dt", {}, term), el("dd", {}, ...value)));
  if (image.taken_at) row(t("Taken"), dateOf(image.taken_at), zoneOf(image.taken_offset));
  if (image.camera) row(t("Camera"), cameraOf(image.camera));
  if (image.lens) row(t("Lens"), image.lens);
  if (exposure(image)) row(t("Exposure"), exposure(image));
  const where = image.lat !== null && image.lat !== undefined ? `${image.lat.toFixed(5)}, ${image.lon.toFixed(5)}` : "";
  if (image.place || where) row(t("Place"), [image.place, where].filter(Boolean).join(" · "));
  if (image.description) row(t("Text"), image.description);
  if (image.keywords?.length) row(t("Keywords"), image.keywords.join(", "));
  if (image.rating > 0) row(t("Rating"), el("span", { role: "img", "aria-label": t("{n} of 5 stars", { n: image.rating }) }, "★".repeat(image.rating)));
  if (image.damage) row(t("Damage"), image.damage);
  if (image.width) row(t("Size"), `${image.width} × ${image.height}`, image.size ? ` · ${size(image.size)}` : "");
  if (image.format) row(t("Format"), image.format.toUpperCase());
  row(t("Path"), el("span", { class: "path" }, image.path), iconButton("copy", t("Copy the path"), () => copyText(image.path, t("Path"))));
  return el("dl", {}, rows);
}
