// Functions of a worker, called like any other: await callable(worker)("decode", file).

/** On the page: a function that calls those that the worker serves. */
export function callable(worker) {
  const waiting = new Map();
  let count = 0;
  worker.addEventListener("message", ({ data: { id, result, error } }) => {
    const { resolve, reject } = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) resolve(result);
    else reject(new Error(error));
  });
  return (call, ...args) =>
    new Promise((resolve, reject) => {
      waiting.set(++count, { resolve, reject });
      worker.postMessage({ id: count, call, args });
    });
}

/** In the worker: answers for an object of functions. */
export function serve(calls) {
  addEventListener("message", async ({ data: { id, call, args } }) => {
    try {
      postMessage({ id, result: await calls[call](...args) });
    } catch (error) {
      postMessage({ id, error: String(error?.message ?? error) });
    }
  });
}
