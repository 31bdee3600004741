// The page's way to a picture's curves and to the finished file without a server: ONNX Runtime in a
// worker. server/backend.js has the same functions for the page of `undim serve`.

import { curvesOf } from "../assets/curves.js";
import { callable } from "../assets/remote-calls.js";

export const promise = "Pictures never leave this device.";

const estimate = callable(new Worker(new URL("estimator.js", import.meta.url), { type: "module" }));
const known = new WeakMap(); // file -> { model: curves }
let call, list;

export function connect(page) {
  call = page.call;
  navigator.serviceWorker?.register("sw.js"); // from then on the page needs no network
}

export async function models() {
  return (list = await (await fetch("models.json")).json());
}

export async function curves(file, model) {
  const { path, iterations, maps_size } = list.find(({ name }) => name === model);
  const kept = known.get(file) ?? {};
  known.set(file, kept);
  if (!kept[model]) {
    const thumbnail = await call("thumbnailOf", file, maps_size);
    const address = new URL(path, document.baseURI).href;
    const { data, shape } = await estimate("estimate", address, thumbnail);
    kept[model] = curvesOf(data, shape, iterations, maps_size);
  }
  return kept[model];
}

export async function enhanced(file, { model, strength, denoise }) {
  return call("enhanceFile", file, await curves(file, model), strength, denoise);
}

export async function viewable() {
  throw new Error("This browser cannot open this kind of file.");
}
