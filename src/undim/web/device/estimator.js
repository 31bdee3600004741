// The worker that runs the network: a thumbnail in, curve maps out, the model file the same as
// everywhere.

import { serve } from "../assets/remote-calls.js";
import * as ort from "./vendor/onnxruntime.js";

ort.env.wasm.numThreads = 1; // more need headers that a plain web host does not send
ort.env.wasm.wasmPaths = { wasm: new URL("vendor/onnxruntime.wasm", import.meta.url).href };

const sessions = new Map(); // address of the model -> promise of its session

const calls = {
  async estimate(model, { planes, height, width }) {
    if (!sessions.has(model)) {
      const session = ort.InferenceSession.create(model, { executionProviders: ["wasm"] });
      sessions.set(model, session);
    }
    const session = await sessions.get(model);
    const image = new ort.Tensor("float32", planes, [1, 3, height, width]);
    const { curve_maps } = await session.run({ image });
    return { data: curve_maps.data, shape: curve_maps.dims.slice(1) };
  },
};
serve(calls);
