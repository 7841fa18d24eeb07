// Pictures dragged to the query: those of the page, files of the desktop, and what is pasted.

import { api, Problem } from "./api.js";
import { addTerm, DRAGGED } from "./chips.js";
import { byId, toast } from "./dom.js";
import { t } from "./language.js";
import { bus, state } from "./state.js";

const zones = byId("drop");
let depth = 0; // dragenter and dragleave come for every element on the way

/** @param {File} file @param {number} weight */
export async function searchWith(file, weight = 1) {
  if (state.page === "/recipes" && !state.open) return void bus.dispatchEvent(new CustomEvent("dish", { detail: file }));
  if (file.type && !file.type.startsWith("image/")) return toast(t("{name} is not a picture", { name: file.name }));
  document.body.classList.add("uploading");
  try {
    const { upload } = await api.upload(file);
    addTerm({ upload, label: file.name || t("your picture") }, weight);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    toast(file.name ? `${file.name}: ${error.message}` : error.message);
  } finally {
    document.body.classList.remove("uploading");
  }
  return undefined;
}

const has = (event, type) => [...(event.dataTransfer?.types || [])].includes(type);
const isOurs = (event) => has(event, DRAGGED) || has(event, "Files");

function show() {
  const dialog = document.querySelector("dialog[open]");
  (dialog || document.body).append(zones); // a dialog lies above everything that is not in it
  zones.hidden = false;
  document.body.classList.add("dragging");
}

function hide() {
  depth = 0;
  zones.hidden = true;
  document.body.append(zones);
  document.body.classList.remove("dragging");
  for (const zone of zones.children) zone.classList.remove("over");
}

/** @param {DragEvent} event */
function drop(event) {
  if (!isOurs(event)) return;
  event.preventDefault();
  const onMinus = byId("drop-minus").contains(/** @type {Node} */ (event.target));
  const onZone = onMinus || byId("drop-plus").contains(/** @type {Node} */ (event.target));
  const onQuery = onZone || event.target.closest?.("#query, #top");
  const sign = onMinus ? -1 : 1;
  const term = event.dataTransfer.getData(DRAGGED), files = [...event.dataTransfer.files];
  hide();
  if (term && onQuery) addTerm(JSON.parse(term), sign);
  else if (!term) for (const file of files.slice(0, 4)) searchWith(file, sign);
}

/** Wire the window. */
export function startDrop() {
  // Shown a moment later: an element that moves under the pointer ends the drag in Chromium.
  addEventListener("dragstart", (event) => { if (has(event, DRAGGED)) setTimeout(show); });
  addEventListener("dragenter", (event) => {
    if (!isOurs(event)) return;
    event.preventDefault();
    if (depth++ === 0 && zones.hidden) show();
  });
  addEventListener("dragleave", (event) => { if (isOurs(event) && --depth <= 0 && has(event, "Files")) hide(); });
  addEventListener("dragover", (event) => {
    if (!isOurs(event)) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "copy";
    for (const zone of zones.children) zone.classList.toggle("over", zone.contains(/** @type {Node} */ (event.target)));
  });
  addEventListener("drop", drop);
  addEventListener("dragend", hide);
  addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files || [])].filter((file) => file.type.startsWith("image/"));
    if (!files.length) return;
    event.preventDefault();
    for (const file of files.slice(0, 4)) searchWith(file);
  });
  byId("pick-file").addEventListener("click", () => byId("file").click());
  byId("file").addEventListener("change", () => {
    for (const file of byId("file").files) searchWith(file);
    byId("file").value = "";
  });
}
