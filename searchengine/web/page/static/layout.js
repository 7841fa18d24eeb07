// A justified grid as numbers: rows of pictures that fill the width, with a heading where a new
// group begins. Rows are made once and kept, so that more pictures cost only their own rows.

export const GAP = 6;
const HEADING = 40;
const NARROWEST = 0.5, WIDEST = 3; // of the shapes that are shown whole; others are cut
const BETWEEN = 22, LABEL = 118; // pixels between groups that share a row, and for the name of one

/**
 * A row of pictures, or of the names of the groups in the row below it.
 * @typedef {{top: number, height: number, from: number, to: number, widths: number[], lefts: number[],
 *   label: string, heads?: {left: number, text: string}[]}} Row
 */

export class Layout {
  /**
   * @param {number} width pixels to fill
   * @param {number} target height of a row, pixels
   * @param {(item: any) => string} groupOf what stands above a picture that begins a group; "" for nothing
   * @param {boolean} [packed] small groups share a row
   */
  constructor(width, target, groupOf, packed = false) {
    Object.assign(this, { width, target, groupOf, packed });
    /** @type {Row[]} */
    this.rows = [];
    this.height = 0;
    this.count = 0;
    /** @type {?number} where the first row begins into which more pictures may come */
    this.open = null;
  }

  /** Lay out what was not yet. @param {any[]} items all of them @param {boolean} ended no more will come */
  extend(items, ended) {
    if (this.open !== null) { // the last rows were not full: make them again, with their headings
      while (this.rows.length && this.rows.at(-1).from >= this.open) this.rows.pop();
      const last = this.rows.at(-1);
      this.height = last ? last.top + last.height + (last.label ? 0 : GAP) : 0;
      this.count = this.open;
      this.open = null;
    }
    let from = this.count, shapes = [], lefts = [], sum = 0, indent = 0;
    let heads = null; // those of the row that is being filled, if it began with one
    let unsure = null; // where a row begins that may yet take a group
    let group = from ? this.groupOf(items[from - 1]) : null;
    const shapeOf = (item) => Math.min(WIDEST, Math.max(NARROWEST, item.width / item.height || 1));
    const close = (to, full) => {
      if (to === from) return;
      const gaps = GAP * (shapes.length - 1);
      const fitting = (this.width - gaps) / sum;
      const height = lefts.length ? this.target : full ? fitting : Math.min(this.target, fitting);
      const widths = shapes.map((shape) => shape * height);
      let left = -GAP;
      const places = lefts.length ? lefts : widths.map((width) => (left += GAP + width) - width);
      this.rows.push({ top: this.height, height, from, to, widths, lefts: places, label: "" });
      this.height += height + GAP;
      [from, shapes, lefts, sum, indent, heads] = [to, [], [], 0, 0, null];
    };
    /** Where a group ends, or null if more of it may come. */
    const endOf = (at) => {
      let to = at;
      while (to < items.length && this.groupOf(items[to]) === group) to++;
      return to < items.length || ended ? to : null;
    };
    const widthOf = (at, to) => items.slice(at, to).reduce((all, item) => all + shapeOf(item) * this.target, GAP * (to - at - 1));
    /** Put a group that fits behind those of the row, each below its own name. */
    const join = (at, to, left) => {
      for (let item = at; item < to; item++) {
        lefts.push(left);
        shapes.push(shapeOf(items[item]));
        left += shapeOf(items[item]) * this.target + GAP;
      }
      indent = Math.max(left - GAP, heads.at(-1).left + LABEL);
    };
    for (let at = this.count; at < items.length; at++) {
      const next = this.groupOf(items[at]);
      if (next !== group) {
        group = next;
        const to = this.packed && next ? endOf(at) : at;
        const left = heads ? indent + BETWEEN : 0;
        const wide = Math.max(LABEL, widthOf(at, to ?? items.length));
        const fits = to !== at && left + wide <= this.width;
        if (to === null && heads && fits) unsure = from;
        if (heads && fits && to !== null) {
          heads.push({ left, text: next });
          join(at, to, left);
          at = to - 1;
          continue;
        }
        close(at, false);
        if (next) {
          heads = [{ left: 0, text: next }];
          this.rows.push({ top: this.height, height: HEADING, from: at, to: at, widths: [], lefts: [], label: next, heads });
          this.height += HEADING;
          if (this.packed && to !== null && wide <= this.width) {
            join(at, to, 0);
            at = to - 1;
            continue;
          }
          heads = null; // it fills rows of its own
        }
      }
      const shape = shapeOf(items[at]);
      shapes.push(shape);
      sum += shape;
      if (sum * this.target + GAP * (shapes.length - 1) >= this.width) close(at + 1, true);
    }
    if (from < items.length) {
      if (!ended) this.open = unsure ?? from;
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
    const middle = (r, i) => r.lefts[i - r.from] + r.widths[i - r.from] / 2;
    const x = middle(row, item);
    let best = other.from;
    for (let i = other.from; i < other.to; i++) if (Math.abs(middle(other, i) - x) < Math.abs(middle(other, best) - x)) best = i;
    return best;
  }
}
