// Where in a picture something was found: a grid of numbers as soft colours over it.

const FOR = [255, 176, 32], AGAINST = [64, 140, 255];

/**
 * Paint a grid over a picture.
 * @param {HTMLCanvasElement} canvas of the size of the picture on the screen
 * @param {number[][]} grid rows of numbers; below zero is against
 * @param {number} most the number that gets the strongest colour
 */
export function paint(canvas, grid, most) {
  const rows = grid.length, columns = grid[0].length;
  const small = document.createElement("canvas");
  small.width = columns;
  small.height = rows;
  const pen = small.getContext("2d"), image = pen.createImageData(columns, rows);
  grid.flat().forEach((value, at) => {
    const strength = most > 0 ? Math.min(1, Math.abs(value) / most) : 0;
    image.data.set([...(value < 0 ? AGAINST : FOR), 200 * strength ** 1.3], 4 * at);
  });
  pen.putImageData(image, 0, 0);
  const ratio = Math.min(devicePixelRatio || 1, 2);
  canvas.width = Math.max(1, Math.round(canvas.clientWidth * ratio));
  canvas.height = Math.max(1, Math.round(canvas.clientHeight * ratio));
  const brush = canvas.getContext("2d");
  brush.fillStyle = "rgb(0 0 0 / 45%)"; // colours read better on a darker picture
  brush.fillRect(0, 0, canvas.width, canvas.height);
  brush.imageSmoothingEnabled = true;
  brush.imageSmoothingQuality = "high";
  brush.drawImage(small, 0, 0, canvas.width, canvas.height);
}

/** Take the colours away. @param {HTMLCanvasElement} canvas */
export function wipe(canvas) {
  canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
}

/** The greatest number of some grids, without its sign. @param {number[][][]} grids */
export const greatest = (grids) => Math.max(1e-9, ...grids.flat(2).map(Math.abs));
