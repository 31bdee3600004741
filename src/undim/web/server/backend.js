// The page's way to a picture's curves and to the finished file: the server's REST API.
// device/backend.js has the same functions for the page without a server.

import { curvesOf } from "../assets/curves.js";

const WORDS = {
  "body-too-large": "This file is larger than the server accepts.",
  "too-many-pixels": "This picture has more pixels than the server accepts.",
  "not-a-picture": "This file is no picture that undim can read.",
  "queue-full": "The server is busy. Try again in a moment.",
  "upload-timeout": "The upload took too long. Is the connection slow?",
  "work-timeout": "The server needed too long for this picture.",
};

export const promise = "Pictures go to this server only, and it keeps nothing.";

let askForToken = async () => "", list;
const given = new URLSearchParams(location.hash.slice(1)).get("token");
if (given) {
  sessionStorage.token = given;
  history.replaceState(null, "", location.pathname); // an address is seen, shared and remembered
}

/** `ask` gets the token from the user where the server wants one. */
export function connect({ ask }) {
  askForToken = ask;
}

export async function models() {
  return (list = await (await request("models")).json());
}

/** The picture's curve maps. */
export async function curves(file, model) {
  const response = await request(`curves?${new URLSearchParams({ model })}`, file);
  const { data, shape } = readNpy(await response.arrayBuffer());
  const { iterations, maps_size } = list.find(({ name }) => name === model);
  return curvesOf(data, shape, iterations, maps_size);
}

/** The finished file, the bytes that `undim enhance` would write. */
export async function enhanced(file, settings) {
  return (await request(`enhance?${new URLSearchParams(settings)}`, file)).blob();
}

/** A file the browser can show for one that it cannot: strength 0 is the picture itself. */
export function viewable(file, model) {
  return enhanced(file, { model, strength: 0, denoise: "off", format: "png" });
}

async function request(path, body) {
  const { token } = sessionStorage, headers = token ? { Authorization: `Bearer ${token}` } : {};
  if (body) headers["Content-Type"] = "application/octet-stream";
  let response;
  try {
    response = await fetch(path, { method: body ? "POST" : "GET", body, headers });
  } catch {
    throw new Error("The server does not answer. Is it still running?");
  }
  if (response.ok) return response;
  if (response.status === 401) {
    sessionStorage.token = await askForToken();
    return request(path, body);
  }
  if (response.headers.get("Content-Type") !== "application/problem+json") { // from a proxy, then
    const { status, statusText } = response;
    throw new Error(`Something between this page and the server refused: ${status} ${statusText}`);
  }
  const problem = await response.json();
  throw new Error(WORDS[problem.type.split("#")[1]] ?? `${problem.title}: ${problem.detail}`);
}

/** The samples and the shape of a NumPy file, version 1, little-endian float32. */
function readNpy(buffer) {
  const length = new DataView(buffer).getUint16(8, true);
  const header = new TextDecoder().decode(new Uint8Array(buffer, 10, length));
  const shape = /'shape': \(([^)]*)\)/.exec(header)[1].split(",").map(Number);
  return { data: new Float32Array(buffer.slice(10 + length)), shape };
}
