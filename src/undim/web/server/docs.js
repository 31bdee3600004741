// The API's page, drawn from openapi.json: the usual viewers load their scripts from another host.

const api = await (await fetch("openapi.json")).json();

function element(tag, text = "", ...children) {
  const node = document.createElement(tag);
  node.append(text, ...children);
  return node;
}

/** What a value may be, in a few words: "0 to 1.5", "auto | off | 0 to 1". */
function values(schema) {
  if (schema.anyOf) return schema.anyOf.filter(({ type }) => type !== "null").map(values).join(" | ");
  if (schema.enum ?? schema.const) return [].concat(schema.enum ?? schema.const).join(" | ");
  return `${schema.minimum ?? ""} to ${schema.maximum ?? ""}`;
}

function parameters(list = []) {
  const row = ({ name, schema, description = "" }) => element("tr", "", element("td", "", element("code", name)),
    element("td", values(schema)), element("td", schema.default == null ? "" : `default ${schema.default}`),
    element("td", description));
  return element("table", "", ...list.filter((parameter) => parameter.in === "query").map(row));
}

function curl(method, path) {
  const body = method === "post" ? " --data-binary @night.jpg -o night.undim.jpg" : "";
  return element("pre", "", element("code", `curl --fail-with-body ${location.origin}${path}${body.replace(
    "night.undim.jpg", path === "/curves" ? "curves.npy" : "night.undim.jpg")}`));
}

function operation(path, method, { summary, parameters: list, responses }) {
  const statuses = Object.keys(responses).join(", ");
  return element("section", "", element("h2", "", element("code", `${method.toUpperCase()} ${path}`)),
    element("p", summary), curl(method, path), parameters(list),
    element("p", `Answers with ${statuses}.`));
}

const operations = Object.entries(api.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, description]) => operation(path, method, description)));
document.getElementById("operations").replaceChildren(...operations);

for (const { kind, status, title } of api["x-problems"]) {
  const term = element("dt", "", element("code", `${status} ${kind}`));
  term.id = kind;
  document.getElementById("problems").append(term, element("dd", title));
}
document.getElementById(location.hash.slice(1))?.scrollIntoView();
