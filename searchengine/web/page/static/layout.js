// A justified grid as numbers: rows of pictures that fill the width, with a heading where a new
// group begins. Rows are made once and kept, so that more pictures cost only their own rows.

export const GAP = 6;
const HEADING = 40;
const NARROWEST = 0.5, WIDEST = 3; // of the shapes that are shown whole; others are cut

/** @typedef {{top: number, height: number, from: number, to: number, widths: number[], label: string}} Row */

export class Layout {
  /**
   * @param {number} width pixels to fill
   * @param {number} target height of a row, pixels
   * @param {(item: any) => string} groupOf what stands above a picture that begins a group; "" for nothing
   */
  constructor(width, target, groupOf) {
    Object.assign(this, { width, target, groupOf });
    /** @type {Row[]} */
    this.rows = [];
    this.height = 0;
    this.count = 0;
    /** @type {?number} where the last row begins while more pictures may come into it */
    this.open = null;
  }

  /** Lay out what was not yet. @param {any[]} items all of them @param {boolean} ended no more will come */
  extend(items, ended) {
    if (this.open !== null) { // the last row was not full: make it again
      const row = this.rows.pop();
      const above = this.rows.at(-1);
      if (above?.label && above.from === row.from) this.rows.pop(); // its heading comes again
      this.height = this.rows.length ? this.rows.at(-1).top + this.rows.at(-1).height + (this.rows.at(-1).label ? 0 : GAP) : 0;
      this.count = row.from;
      this.open = null;
    }
    let from = this.count, shapes = [], sum = 0;
    let group = from ? this.groupOf(items[from - 1]) : null;
    const close = (to, full) => {
      if (to === from) return;
      const gaps = GAP * (shapes.length - 1);
      const fitting = (this.width - gaps) / sum;
      const height = full ? fitting : Math.min(this.target, fitting);
      const widths = shapes.map((shape) => shape * height);
      this.rows.push({ top: this.height, height, from, to, widths, label: "" });
      this.height += height + GAP;
      [from, shapes, sum] = [to, [], 0];
    };
    for (let at = this.count; at < items.length; at++) {
      const next = this.groupOf(items[at]);
      if (next !== group) {
        close(at, false);
        if (next) {
          this.rows.push({ top: this.height, height: HEADING, from: at, to: at, widths: [], label: next });
          this.height += HEADING;
        }
        group = next;
      }
      const shape = Math.min(WIDEST, Math.max(NARROWEST, items[at].width / items[at].height || 1));
      shapes.push(shape);
      sum += shape;
      if (sum * this.target + GAP * (shapes.length - 1) >= this.width) close(at + 1, true);
    }
    if (from < items.length) {
      if (!ended) this.open = from;
      close(items.length, false);
    }
    this.count = items.length;
  }

  /** The number of the last row that begins at or above a place. @param {number} y */
  rowAt(y) {
    let low = 0, high = this.rows.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.rows[middle].top <= y) low = middle; else high = middle - 1;
    }
    return low;
  }

  /** The row a picture is in. @param {number} item */
  rowOf(item) {
    let low = 0, high = this.rows.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.rows[middle].to > item) high = middle; else low = middle + 1;
    }
    return low;
  }

  /** The picture above or below another, nearest to its middle. @param {number} item @param {1|-1} step */
  beside(item, step) {
    const at = this.rowOf(item), row = this.rows[at];
    let to = at + step;
    while (this.rows[to] && this.rows[to].label) to += step;
    const other = this.rows[to];
    if (!other) return item;
    const middle = (r, i) => r.widths.slice(0, i - r.from).reduce((a, b) => a + b + GAP, 0) + r.widths[i - r.from] / 2;
    const x = middle(row, item);
    let best = other.from;
    for (let i = other.from; i < other.to; i++) if (Math.abs(middle(other, i) - x) < Math.abs(middle(other, best) - x)) best = i;
    return best;
  }
}
