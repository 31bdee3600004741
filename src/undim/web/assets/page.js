// The page: which pictures there are, which one is shown, and what the controls say.

import { canvasRenderer } from "./canvas2d.js";
import { glRenderer } from "./gl.js";
import { callable } from "./remote-calls.js";
import { Viewer } from "./viewer.js";
import { zip } from "./zip.js";

const SUFFIXES = { jpeg: "jpg", tiff: "tif" }; // other media types are named like their files
const $ = (id) => document.getElementById(id);

const side = document.documentElement.dataset.backend; // server or device
const backend = await import(`../${side}/backend.js`);
const call = callable(new Worker(new URL("worker.js", import.meta.url), { type: "module" }));
const renderer =
  glRenderer($("canvas")) ?? canvasRenderer($("canvas"), call, () => viewer.redraw());
const viewer = new Viewer($("stage"), renderer);

const pictures = []; // { file, name, settings: { model, strength, denoise }, item }
let settings = { model: "", strength: 1, denoise: "auto" }; // what the next picture begins with
let current = null; // the picture that is shown
let turn = 0; // counts what was asked for, so that late answers are dropped

// Pictures

function add(files) {
  const added = [...files].map((file) => {
    return { file, name: file.name || "picture", settings: { ...settings } };
  });
  if (!added.length) return;
  for (const picture of added) {
    picture.item = stripItem(picture);
    $("strip").append(picture.item);
  }
  pictures.push(...added);
  refreshLists();
  show(added[0]);
}

function remove(picture) {
  const index = pictures.indexOf(picture);
  pictures.splice(index, 1);
  URL.revokeObjectURL(picture.item.querySelector("img").src);
  picture.item.remove();
  refreshLists();
  if (current === picture) show(pictures[Math.min(index, pictures.length - 1)] ?? null);
}

async function show(picture) {
  current = picture;
  for (const { item } of pictures) {
    item.querySelector("button").ariaCurrent = String(item === picture?.item);
  }
  if (!picture) return void (turn++, ($("name").textContent = ""));
  settings = picture.settings;
  showSettings();
  const mine = ++turn;
  $("name").textContent = picture.name;
  $("canvas").ariaLabel = `${picture.name}, before on the left, after on the right`;
  viewer.show({});
  await attempt(`${picture.name} cannot be shown.`, async () => {
    const { picture: preview, size } = await decoded(picture);
    if (mine !== turn) return;
    $("name").textContent = `${picture.name} · ${size.width} × ${size.height}`;
    viewer.show({ picture: preview });
    await update(picture);
  });
  // Nothing came: the last picture must not pass for this one.
  if (mine === turn) $("canvas").hidden = true;
}

/** Asks for the curves of the shown picture: it is new, or has another model. */
async function update(picture) {
  const mine = ++turn, { picture: preview } = viewer.scene;
  await attempt(`${picture.name} could not be brightened.`, async () => {
    const curves = await backend.curves(picture.file, picture.settings.model);
    if (mine !== turn) return;
    viewer.show({ ...viewer.scene, picture: preview, curves });
    await filter(picture);
    if (mine === turn) say(`${picture.name} is ready`);
  });
}

/** Filters the shown picture for the preview again: how much follows from the settings. */
async function filter(picture) {
  const { strength, denoise } = picture.settings, { picture: preview, curves } = viewer.scene;
  const { filtered, amount } = await call("filter", preview, curves, strength, denoise);
  if (viewer.scene.picture !== preview || viewer.scene.curves !== curves) return;
  viewer.show({ picture: preview, curves, filtered, denoise });
  if (denoise === "auto") $("denoise").value = amount;
}

/** The samples to look at; what this browser cannot read, such as HEIC, the server may. */
async function decoded(picture) {
  try {
    return await call("decode", picture.file, renderer.longSide);
  } catch {
    const viewable = await backend.viewable(picture.file, picture.settings.model);
    return call("decode", viewable, renderer.longSide);
  }
}

// Downloads

async function download(picture) {
  say(`Preparing ${picture.name}`);
  await attempt(`${picture.name} could not be saved.`, async () => {
    const blob = await backend.enhanced(picture.file, picture.settings);
    save(blob, outputName(picture, blob));
    say(`${picture.name} was saved`);
  });
}

async function downloadAll() {
  const files = [], failed = [];
  for (const picture of pictures) {
    say(`Preparing ${files.length + failed.length + 1} of ${pictures.length}`);
    try {
      const blob = await backend.enhanced(picture.file, picture.settings);
      const bytes = new Uint8Array(await blob.arrayBuffer());
      files.push({ name: outputName(picture, blob), bytes });
    } catch (error) {
      failed.push(`${picture.name}: ${error.message}`);
    }
  }
  if (files.length) save(zip(files), "undim.zip");
  say(`${files.length} of ${pictures.length} pictures were saved`);
  if (failed.length) trouble(failed.join(" "));
}

function outputName({ name }, blob) {
  const type = blob.type.split("/")[1];
  return `${name.replace(/\.[^.]*$/, "")}.undim.${SUFFIXES[type] ?? type}`;
}

function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

// What is to be seen

function refreshLists() {
  const several = pictures.length > 1;
  document.body.toggleAttribute("data-empty", !pictures.length);
  $("download-all").hidden = $("same").hidden = !several;
}

function stripItem(picture) {
  const item = document.createElement("li"), open = document.createElement("button");
  const image = document.createElement("img"), close = document.createElement("button");
  image.src = URL.createObjectURL(picture.file);
  image.alt = open.title = picture.name;
  close.textContent = "×";
  close.ariaLabel = `Remove ${picture.name}`;
  open.type = close.type = "button";
  open.append(image);
  open.addEventListener("click", () => show(picture));
  close.addEventListener("click", () => remove(picture));
  item.append(open, close);
  return item;
}

function showSettings() {
  $("strength").value = settings.strength;
  $("denoise-auto").checked = settings.denoise === "auto";
  if (settings.denoise !== "auto") $("denoise").value = settings.denoise;
  $("model").value = settings.model;
  $("strength-value").value = percent(settings.strength);
  $("denoise-value").value = settings.denoise === "auto" ? "auto" : percent(settings.denoise);
  $("strength").ariaValueText = percent(settings.strength);
  viewer.strength = settings.strength;
  viewer.redraw();
}

function percent(value) {
  return `${Math.round(100 * value)} %`;
}

function say(text) {
  $("status").textContent = text;
}

function trouble(text) {
  $("trouble").hidden = false;
  $("trouble").querySelector("p").textContent = text;
}

/** Runs what may fail and says in plain words what did. */
async function attempt(what, action) {
  document.body.dataset.busy = Number(document.body.dataset.busy ?? 0) + 1;
  $("trouble").hidden = true;
  try {
    await action();
  } catch (error) {
    trouble(`${what} ${error.message}`);
  } finally {
    document.body.dataset.busy -= 1;
  }
}

// What the user does

function change(values) {
  Object.assign(settings, values);
  showSettings();
}

let pause;
function changeAndFilter(values) {
  change(values);
  clearTimeout(pause);
  if (!viewer.scene.curves) return;
  const renew = () => attempt("The preview could not be renewed.", () => filter(current));
  pause = setTimeout(renew, 150);
}

for (const slider of ["strength", "denoise"]) {
  $(slider).addEventListener("input", (event) =>
    changeAndFilter({ [slider]: event.target.valueAsNumber }));
}
$("strength").addEventListener("dblclick", () => changeAndFilter({ strength: 1 }));
$("denoise-auto").addEventListener("change", (event) =>
  changeAndFilter({ denoise: event.target.checked ? "auto" : $("denoise").valueAsNumber }));
$("model").addEventListener("change", (event) => {
  change({ model: event.target.value });
  if (viewer.scene.picture) update(current);
});
$("same").addEventListener("click", () => {
  for (const picture of pictures) Object.assign(picture.settings, settings);
  say("All pictures have these settings");
});
$("controls").addEventListener("submit", (event) => event.preventDefault());
$("download").addEventListener("click", () => download(current));
$("download-all").addEventListener("click", downloadAll);
$("trouble").querySelector("button").addEventListener("click", () => ($("trouble").hidden = true));
for (const button of document.querySelectorAll("[data-choose]")) {
  button.addEventListener("click", () => $("files").click());
}
$("files").addEventListener("change", (event) => {
  add(event.target.files);
  event.target.value = "";
});
document.addEventListener("paste", (event) => add(event.clipboardData.files));
for (const kind of ["dragenter", "dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    const inside = kind === "dragover" || kind === "dragenter";
    const files = event.dataTransfer.types.includes("Files");
    document.body.toggleAttribute("data-dropping", inside && files);
    if (kind === "drop") add(event.dataTransfer.files);
  });
}
$("theme").addEventListener("click", () => {
  const dark = getComputedStyle(document.documentElement).colorScheme === "dark";
  document.documentElement.dataset.theme = localStorage.theme = dark ? "light" : "dark";
});

// Beginning

document.documentElement.dataset.theme =
  localStorage.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
$("promise").textContent = backend.promise;
backend.connect({
  call,
  ask: () =>
    new Promise((resolve) => {
      $("ask-token").addEventListener("close", () => resolve($("token").value), { once: true });
      $("ask-token").showModal();
    }),
});
await attempt("undim cannot begin.", async () => {
  const models = await backend.models();
  settings.model = models[0].name;
  $("model").append(...models.map(({ name }) => new Option(name)));
  $("model-control").hidden = models.length < 2;
});
document.body.dataset.ready = "";
