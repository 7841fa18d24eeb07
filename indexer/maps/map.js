// A map that one can pan and zoom. Points are drawn into the pixels of one canvas in each frame, so
// that 50,000 of them cost some milliseconds; labels and small pictures are placed greedily, as
// indexer/maps/placement.py does it, and never overlap.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const canvas = document.querySelector("canvas");
  const context = canvas.getContext("2d", { alpha: false });
  const nameBox = document.getElementById("name");
  const count = data.names.length;
  const pictures = data.pictures;
  const MARGIN = 48; // CSS pixels around the whole map
  const BEYOND = 160; // how far outside of the window labels and pictures still take their place
  const CELL = 64;
  const MOST_LABELS = 400, MOST_TRIES = 3000, MOST_THUMBS = 300;
  const FINEST = 400000; // CSS pixels per map: coordinates are 16-bit numbers
  const LABEL_HEIGHT = 18, GAP = 6, PAD = 3;
  const FONT = "14px system-ui, sans-serif";

  const places = new Uint16Array(bytes(data.places).buffer); // x, y, x, y, ...
  const widths = new Float32Array(count); // of labels; 0 is not measured yet
  const thumbs = data.thumbs; // [point, sheet, x, y, width, height]
  const sheets = data.sheets.map((url) => {
    const image = new Image();
    image.onload = ask;
    image.src = url;
    return image;
  });
  const index = grid();
  const bounds = extent();

  const view = { x: 0.5, y: 0.5, scale: 1 }; // middle in map units 0..1, CSS pixels per unit
  let width = 0, height = 0, ratio = 1, home = 1, atHome = true;
  let frame = null, pixels = null, asked = false, colours = null;
  let showThumbs = true;
  let placedScale = 0; // the scale at which `labels` and `shown` were placed
  let labels = new Map(); // point -> which side its label is on
  let shown = new Set(); // numbers of the thumbs that are drawn
  let boxes = []; // what was drawn last: {point, kind, left, top, right, bottom}

  function bytes(text) {
    return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
  }

  function extent() {
    let left = 65535, top = 65535, right = 0, bottom = 0;
    for (let i = 0; i < count; i++) {
      left = Math.min(left, places[2 * i]); right = Math.max(right, places[2 * i]);
      top = Math.min(top, places[2 * i + 1]); bottom = Math.max(bottom, places[2 * i + 1]);
    }
    return { left: left / 65535, top: top / 65535, right: right / 65535, bottom: bottom / 65535 };
  }

  // Points by cell, so that the one under the pointer is found at once: points start[c]..start[c+1].
  function grid() {
    const SIDE = 128, SHIFT = 9;
    const start = new Uint32Array(SIDE * SIDE + 1), points = new Uint32Array(count);
    const cell = (i) => (places[2 * i + 1] >> SHIFT) * SIDE + (places[2 * i] >> SHIFT);
    for (let i = 0; i < count; i++) start[cell(i) + 1]++;
    for (let c = 0; c < SIDE * SIDE; c++) start[c + 1] += start[c];
    const next = start.slice();
    for (let i = 0; i < count; i++) points[next[cell(i)]++] = i;
    return { SIDE, start, points };
  }

  const screenX = (i) => (places[2 * i] / 65535 - view.x) * view.scale + width / 2;
  const screenY = (i) => (places[2 * i + 1] / 65535 - view.y) * view.scale + height / 2;

  function nameOf(i) {
    return i < pictures ? data.folders[data.folder[i]] + data.names[i] : data.names[i];
  }

  // Sizes, colours, view

  function resize() {
    ratio = Math.min(window.devicePixelRatio || 1, 2);
    width = Math.max(1, window.innerWidth);
    height = Math.max(1, window.innerHeight);
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    frame = context.createImageData(canvas.width, canvas.height);
    pixels = new Uint32Array(frame.data.buffer);
    const across = Math.max(bounds.right - bounds.left, 1e-3);
    const down = Math.max(bounds.bottom - bounds.top, 1e-3);
    home = Math.max(1, Math.min((width - 2 * MARGIN) / across, (height - 2 * MARGIN) / down));
    if (atHome) fit(); else move(view.x, view.y, view.scale);
  }

  function recolour() {
    const style = getComputedStyle(document.documentElement);
    const read = (name) => {
      const hex = style.getPropertyValue(name).trim();
      return { hex, r: parseInt(hex.slice(1, 3), 16), g: parseInt(hex.slice(3, 5), 16), b: parseInt(hex.slice(5, 7), 16) };
    };
    colours = { paper: read("--paper"), ink: read("--ink"), word: read("--word"), picture: read("--picture") };
    ask();
  }

  function move(x, y, scale) {
    view.scale = Math.min(Math.max(scale, home / 4), Math.max(FINEST, home));
    view.x = Math.min(Math.max(x, 0), 1);
    view.y = Math.min(Math.max(y, 0), 1);
    atHome = false;
    ask();
  }

  function fit() {
    move((bounds.left + bounds.right) / 2, (bounds.top + bounds.bottom) / 2, home);
    atHome = true;
  }

  function pan(dx, dy) {
    move(view.x - dx / view.scale, view.y - dy / view.scale, view.scale);
  }

  function zoom(factor, atX = width / 2, atY = height / 2) {
    const x = view.x + (atX - width / 2) / view.scale, y = view.y + (atY - height / 2) / view.scale;
    const scale = Math.min(Math.max(view.scale * factor, home / 4), Math.max(FINEST, home));
    move(x - (atX - width / 2) / scale, y - (atY - height / 2) / scale, scale);
  }

  // Drawing

  function ask() {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => { asked = false; draw(); });
  }

  function draw() {
    const packed = (c) => (255 << 24 | c.b << 16 | c.g << 8 | c.r) >>> 0;
    pixels.fill(packed(colours.paper));
    const zoomed = view.scale / home;
    const crowd = count > 20000 ? 1.3 : count > 2000 ? 1.8 : 3;
    const radius = Math.min(4, crowd * Math.max(1, Math.sqrt(zoomed) / 1.5)) * ratio;
    dots(0, pictures, radius, colours.picture);
    dots(pictures, count, Math.max(radius, Math.min(3, count - pictures > 2000 ? 1.8 : 3) * ratio), colours.word);
    context.putImageData(frame, 0, 0);
    placeAll();
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.imageSmoothingQuality = "high";
    for (const box of boxes) {
      if (box.kind !== "thumb") continue;
      const [, sheet, x, y, w, h] = thumbs[box.thumb];
      context.drawImage(sheets[sheet], x, y, w, h, box.left, box.top, w, h);
    }
    context.font = FONT;
    context.textBaseline = "middle";
    context.lineJoin = "round";
    context.lineWidth = 3;
    context.strokeStyle = colours.paper.hex;
    context.fillStyle = colours.ink.hex;
    for (const box of boxes) {
      if (box.kind !== "label") continue;
      const y = (box.top + box.bottom) / 2;
      context.strokeText(data.names[box.point], box.left, y);
      context.fillText(data.names[box.point], box.left, y);
    }
    context.setTransform(1, 0, 0, 1, 0, 0);
  }

  // Draws discs with soft edges into the pixels of the frame.
  function dots(from, to, radius, colour) {
    const reach = Math.ceil(radius), size = 2 * reach + 1;
    const cover = new Uint16Array(size * size); // 0..256
    for (let y = 0; y < size; y++) {
      for (let x = 0; x < size; x++) {
        const part = radius + 0.5 - Math.hypot(x - reach, y - reach);
        cover[y * size + x] = 256 * Math.min(1, Math.max(0, part));
      }
    }
    const full = (255 << 24 | colour.b << 16 | colour.g << 8 | colour.r) >>> 0;
    const w = canvas.width, h = canvas.height;
    const scale = view.scale * ratio / 65535;
    const shiftX = (width / 2 - view.x * view.scale) * ratio, shiftY = (height / 2 - view.y * view.scale) * ratio;
    for (let i = from; i < to; i++) {
      const left = Math.round(places[2 * i] * scale + shiftX) - reach;
      const top = Math.round(places[2 * i + 1] * scale + shiftY) - reach;
      if (left >= w || top >= h || left + size <= 0 || top + size <= 0) continue;
      const x0 = Math.max(0, -left), x1 = Math.min(size, w - left);
      const y0 = Math.max(0, -top), y1 = Math.min(size, h - top);
      for (let y = y0; y < y1; y++) {
        let at = (top + y) * w + left + x0;
        for (let x = x0; x < x1; x++, at++) {
          const part = cover[y * size + x];
          if (part === 256) { pixels[at] = full; continue; }
          if (part === 0) continue;
          const old = pixels[at], rest = 256 - part;
          const r = ((old & 255) * rest + colour.r * part) >> 8;
          const g = ((old >> 8 & 255) * rest + colour.g * part) >> 8;
          const b = ((old >> 16 & 255) * rest + colour.b * part) >> 8;
          pixels[at] = (255 << 24 | b << 16 | g << 8 | r) >>> 0;
        }
      }
    }
  }

  // Placing: what is drawn already keeps its place while the map is moved without zooming.

  function placeAll() {
    const cells = new Map();
    const kept = placedScale === view.scale;
    const oldLabels = kept ? labels : new Map(), oldShown = kept ? shown : new Set();
    labels = new Map();
    shown = new Set();
    boxes = [];
    placedScale = view.scale;

    const keysOf = (b, use) => {
      for (let x = Math.floor(b.left / CELL); x <= Math.floor(b.right / CELL); x++) {
        for (let y = Math.floor(b.top / CELL); y <= Math.floor(b.bottom / CELL); y++) {
          if (use((x + 1000) * 65536 + y + 1000)) return true;
        }
      }
      return false;
    };
    const isFree = (b) => !keysOf(b, (key) => (cells.get(key) || []).some(
      (o) => b.left < o.right && o.left < b.right && b.top < o.bottom && o.top < b.bottom));
    const take = (b) => {
      keysOf(b, (key) => { const c = cells.get(key); if (c) c.push(b); else cells.set(key, [b]); });
      boxes.push(b);
    };
    const near = (x, y) => x > -BEYOND && y > -BEYOND && x < width + BEYOND && y < height + BEYOND;

    context.setTransform(1, 0, 0, 1, 0, 0);
    context.font = FONT;
    const label = (point, side) => {
      if (!widths[point]) widths[point] = context.measureText(data.names[point]).width + 2;
      const w = widths[point], x = screenX(point), y = screenY(point);
      const left = side === 0 ? x + GAP : side === 1 ? x - GAP - w : x - w / 2;
      const top = side < 2 ? y - LABEL_HEIGHT / 2 : side === 2 ? y - GAP - LABEL_HEIGHT : y + GAP;
      return { point, kind: "label", left, top, right: left + w, bottom: top + LABEL_HEIGHT };
    };
    for (const [point, side] of oldLabels) {
      if (!near(screenX(point), screenY(point))) continue;
      const box = label(point, side);
      if (isFree(box)) { take(box); labels.set(point, side); }
    }
    let tries = 0;
    for (let point = pictures; point < count && tries < MOST_TRIES && labels.size < MOST_LABELS; point++) {
      if (labels.has(point) || !near(screenX(point), screenY(point))) continue;
      tries++;
      for (let side = 0; side < 4; side++) {
        const box = label(point, side);
        if (isFree(box)) { take(box); labels.set(point, side); break; }
      }
    }
    if (!showThumbs) return;
    const thumb = (number) => {
      const [point, sheet, , , w, h] = thumbs[number];
      const x = screenX(point), y = screenY(point);
      if (!near(x, y) || !sheets[sheet].complete || !sheets[sheet].naturalWidth) return;
      const outer = {
        point, kind: "thumb", thumb: number,
        left: x - w / 2 - PAD, top: y - h / 2 - PAD, right: x + w / 2 + PAD, bottom: y + h / 2 + PAD,
      };
      if (!isFree(outer)) return;
      take(outer);
      outer.left += PAD; outer.top += PAD; outer.right -= PAD; outer.bottom -= PAD;
      shown.add(number);
    };
    for (const number of oldShown) thumb(number);
    for (let number = 0; number < thumbs.length && shown.size < MOST_THUMBS; number++) {
      if (!shown.has(number)) thumb(number);
    }
  }

  // What is under the pointer

  function pointAt(x, y) {
    for (let b = boxes.length - 1; b >= 0; b--) {
      const box = boxes[b];
      if (x >= box.left && x <= box.right && y >= box.top && y <= box.bottom) return box.point;
    }
    const reach = 12, unit = 65535 / view.scale;
    const mapX = (view.x + (x - width / 2) / view.scale) * 65535, mapY = (view.y + (y - height / 2) / view.scale) * 65535;
    const cell = (v) => Math.min(Math.max(Math.floor(v / 512), 0), index.SIDE - 1);
    let best = -1, least = reach * reach;
    for (let cy = cell(mapY - reach * unit); cy <= cell(mapY + reach * unit); cy++) {
      for (let cx = cell(mapX - reach * unit); cx <= cell(mapX + reach * unit); cx++) {
        const c = cy * index.SIDE + cx;
        for (let p = index.start[c]; p < index.start[c + 1]; p++) {
          const i = index.points[p], dx = (places[2 * i] - mapX) / unit, dy = (places[2 * i + 1] - mapY) / unit;
          const far = dx * dx + dy * dy;
          if (far < least || (far === least && i > best)) { least = far; best = i; }
        }
      }
    }
    return best;
  }

  function point(x, y) {
    const found = pointAt(x, y);
    nameBox.hidden = found < 0;
    if (found < 0) return;
    nameBox.textContent = nameOf(found);
    const w = nameBox.offsetWidth, h = nameBox.offsetHeight;
    nameBox.style.left = Math.max(4, Math.min(x + 14, width - w - 4)) + "px";
    nameBox.style.top = (y + 18 + h > height ? Math.max(4, y - h - 12) : y + 18) + "px";
  }

  // Mouse, touch, keyboard

  const held = new Map(); // pointer -> where it was
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    held.set(event.pointerId, { x: event.clientX, y: event.clientY });
    canvas.classList.add("moving");
  });
  canvas.addEventListener("pointermove", (event) => {
    const before = held.get(event.pointerId), x = event.clientX, y = event.clientY;
    if (!before) { point(x, y); return; }
    const other = [...held].find(([id]) => id !== event.pointerId);
    if (other) {
      const { x: ox, y: oy } = other[1];
      const was = Math.hypot(before.x - ox, before.y - oy), is = Math.hypot(x - ox, y - oy);
      pan((x - before.x) / 2, (y - before.y) / 2);
      if (was > 0 && is > 0) zoom(is / was, (x + ox) / 2, (y + oy) / 2);
    } else if (x !== before.x || y !== before.y) {
      pan(x - before.x, y - before.y);
      nameBox.hidden = true;
    }
    held.set(event.pointerId, { x, y });
  });
  for (const end of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(end, (event) => {
      held.delete(event.pointerId);
      if (!held.size) canvas.classList.remove("moving");
      if (end === "pointerup") point(event.clientX, event.clientY);
    });
  }
  canvas.addEventListener("pointerleave", () => { nameBox.hidden = true; });
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 16 : event.deltaMode === 2 ? height : 1;
    zoom(Math.exp(-event.deltaY * lines * (event.ctrlKey ? 0.01 : 0.002)), event.clientX, event.clientY);
    nameBox.hidden = true;
  }, { passive: false });
  canvas.addEventListener("dblclick", (event) => zoom(2, event.clientX, event.clientY));

  const STEP = 80;
  const keys = {
    ArrowLeft: () => pan(STEP, 0), ArrowRight: () => pan(-STEP, 0),
    ArrowUp: () => pan(0, STEP), ArrowDown: () => pan(0, -STEP),
    "+": () => zoom(1.3), "=": () => zoom(1.3), "-": () => zoom(1 / 1.3),
    0: fit, Home: fit, p: toggle,
  };
  canvas.addEventListener("keydown", (event) => {
    const act = event.ctrlKey || event.metaKey || event.altKey ? null : keys[event.key];
    if (!act) return;
    event.preventDefault();
    nameBox.hidden = true;
    act();
  });

  const pictureButton = document.getElementById("pictures");
  function toggle() {
    showThumbs = !showThumbs;
    pictureButton.setAttribute("aria-pressed", String(showThumbs));
    ask();
  }
  pictureButton.hidden = !thumbs.length;
  pictureButton.addEventListener("click", toggle);
  document.getElementById("in").addEventListener("click", () => zoom(1.5));
  document.getElementById("out").addEventListener("click", () => zoom(1 / 1.5));
  document.getElementById("all").addEventListener("click", fit);
  window.addEventListener("resize", resize);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", recolour);

  // For tests and benchmarks, and whoever looks with the console.
  window.lexpixMap = { view, draw, move, zoom, pan, pointAt, nameOf, screen: (i) => [screenX(i), screenY(i)], home: () => home, boxes: () => boxes, ready: () => sheets.every((s) => s.complete) };
  resize();
  recolour();
})();
