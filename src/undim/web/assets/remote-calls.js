// Functions of a worker, called like any other: await callable(worker)("decode", file).

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
