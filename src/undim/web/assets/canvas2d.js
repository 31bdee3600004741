// Before and after without WebGL: the worker applies the curve to a smaller picture, and a plain
// canvas shows both.

/**
 * The same interface as glRenderer; `call` reaches the worker, `redraw` asks the viewer to draw
 * again.
 */
export function canvasRenderer(canvas, call, redraw) {
  const context = canvas.getContext("2d");
  let shown = {}, before, after, working = false;

  async function apply(scene, strength) {
    working = true;
    const { picture, curves, denoise } = scene;
    const enhanced = curves ? await call("enhance", picture, curves, strength, denoise) : picture;
    if (scene.picture !== shown.picture) before = drawable(scene.picture);
    after = drawable(enhanced);
    shown = { ...scene, strength };
    working = false;
    redraw();
  }

  return {
    longSide: 1024,
    draw(scene, { scale, x, y, divider }, strength) {
      const same = ["picture", "curves", "denoise"].every((key) => scene[key] === shown[key]);
      if (!(same && strength === shown.strength) && !working) apply({ ...scene }, strength);
      context.clearRect(0, 0, canvas.width, canvas.height);
      if (scene.picture !== shown.picture) return;
      const { width, height } = scene.picture;
      for (const [source, left, right] of [[before, 0, divider], [after, divider, canvas.width]]) {
        context.save();
        context.beginPath();
        context.rect(left, 0, right - left, canvas.height);
        context.clip();
        context.drawImage(source, x, y, width * scale, height * scale);
        context.restore();
      }
    },
  };
}

function drawable({ data, width, height }) {
  const canvas = new OffscreenCanvas(width, height);
  const samples = new ImageData(new Uint8ClampedArray(data), width, height);
  canvas.getContext("2d").putImageData(samples, 0, 0);
  return canvas;
}
