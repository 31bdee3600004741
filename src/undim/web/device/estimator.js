// The worker that runs the network: a thumbnail in, curve maps out, the model file the same as everywhere.

import { serve } from "../assets/remote-calls.js";
import * as ort from "./vendor/onnxruntime.js";

ort.env.wasm.numThreads = 1; // more need headers that a plain web host does not send
ort.env.wasm.wasmPaths = { wasm: new URL("vendor/onnxruntime.wasm", import.meta.url).href };

const sessions = new Map(); // address of the model -> promise of its session

const calls = {
  async estimate(model, { planes, height, width }) {
    if (!sessions.has(model)) sessions.set(model, ort.InferenceSession.create(model, { executionProviders: ["wasm"] }));
    const session = await sessions.get(model);
    const { curve_maps } = await session.run({ image: new ort.Tensor("float32", planes, [1, 3, height, width]) });
    return { data: curve_maps.data, channels: curve_maps.dims[1], height, width };
  },
};
serve(calls);
