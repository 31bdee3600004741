// The worker that holds pixels: decodes, filters, enhances and writes pictures off the page's
// thread.

import { enhance, filter } from "./enhance.js";
import { jpegWithMetadata, pngCarried, sniff, webpWithMetadata } from "./metadata.js";
import { encodePng } from "./png.js";
import { serve } from "./remote-calls.js";
import { thumbnail } from "./thumbnail.js";

const calls = {
  /**
   * The RGBA samples of a file, upright and as they are stored (no colour conversion), at most
   * `longSide` long.
   */
  async decode(file, longSide = Infinity) {
    const options = { colorSpaceConversion: "none", imageOrientation: "from-image" };
    const bitmap = await createImageBitmap(file, options);
    const { width, height } = bitmap, scale = Math.min(1, longSide / Math.max(width, height));
    const scaled = [width, height].map((size) => Math.max(1, Math.round(size * scale)));
    const canvas = new OffscreenCanvas(...scaled);
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.imageSmoothingQuality = "high";
    context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
    bitmap.close();
    const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
    const picture = { data, width: canvas.width, height: canvas.height };
    return { picture, size: { width, height } };
  },

  filter,
  enhance,
  thumbnailOf: async (file, longSide) => thumbnail((await calls.decode(file)).picture, longSide),

  /** The enhanced file in the format of the original where the browser can write it, else PNG. */
  async enhanceFile(file, curves, strength, denoise) {
    const { picture } = await calls.decode(file);
    const enhanced = enhance(picture, curves, strength, denoise);
    const original = new Uint8Array(await file.arrayBuffer()), format = sniff(original);
    if (format === "jpg") {
      return jpegWithMetadata(await browserEncoded(enhanced, "image/jpeg", 0.92), original);
    }
    if (format === "webp") {
      const encoded = await browserEncoded(enhanced, "image/webp", 0.9);
      if (sniff(encoded) === "webp") {
        return webpWithMetadata(encoded, original, picture.width, picture.height);
      }
    }
    return encodePng(enhanced, format === "png" ? pngCarried(original) : []);
  },
};

async function browserEncoded({ data, width, height }, type, quality) {
  const canvas = new OffscreenCanvas(width, height);
  canvas.getContext("2d").putImageData(new ImageData(data, width, height), 0, 0);
  return new Uint8Array(await (await canvas.convertToBlob({ type, quality })).arrayBuffer());
}

serve(calls);
