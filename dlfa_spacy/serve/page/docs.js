// The API, from its own openapi.json: no script of anybody else, so that it works without a network.

const description = await (await fetch("openapi.json")).json();
const schemas = description.components.schemas;

function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children.flat(Infinity).filter(Boolean));
  return element;
}

// Words between backticks are code.
const prose = (text = "") => text.split("`").map((part, i) => i % 2 ? h("code", {}, part) : part);
const nameOf = (schema) => schema?.$ref?.split("/").at(-1);

function typeOf(schema) {
  const name = nameOf(schema);
  if (name) return h("a", { href: `#${name}` }, name);
  if (schema.anyOf) {
    const kinds = schema.anyOf.filter((one) => one.type !== "null").map(typeOf);
    return [kinds, ", may be left out"];
  }
  if (schema.type === "array") return ["list of ", typeOf(schema.items)];
  if (schema.type === "object" && schema.additionalProperties) return ["object of ", typeOf(schema.additionalProperties)];
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(", ");
  return schema.const ? JSON.stringify(schema.const) : schema.type ?? "any";
}

function fields(name) {
  const schema = schemas[name];
  const rows = Object.entries(schema.properties ?? {}).map(([key, value]) => h("tr", {},
    h("td", {}, h("code", {}, key), schema.required?.includes(key) ? " *" : ""),
    h("td", {}, typeOf(value)), h("td", {}, prose(value.description))));
  return h("table", { class: "fields" },
    h("thead", {}, h("tr", {}, ["field", "type", ""].map((title) => h("th", { scope: "col" }, title)))),
    h("tbody", {}, rows));
}

function endpoint([path, method, operation]) {
  const request = nameOf(operation.requestBody?.content["application/json"].schema);
  const answer = nameOf(operation.responses["200"].content["application/json"].schema);
  const example = request && schemas[request].examples?.[0];
  const body = example ? ` -H 'Content-Type: application/json' \\\n  -d '${JSON.stringify(example)}'` : "";
  return h("section", { class: "card endpoint" },
    h("h2", {}, h("span", { class: "method" }, method.toUpperCase()), " ", h("code", {}, path)),
    h("p", {}, prose(operation.description ?? operation.summary)),
    h("pre", { tabindex: "0" }, `curl ${location.origin}${path}${body}`),
    request && [h("h3", {}, "Request"), fields(request)],
    h("h3", {}, "Answer"), h("p", {}, h("a", { href: `#${answer}` }, answer), ": ", prose(schemas[answer].description)));
}

const operations = Object.entries(description.paths)
  .flatMap(([path, methods]) => Object.entries(methods).map(([method, operation]) => [path, method, operation]));
const requests = new Set(operations.map(([, , one]) => nameOf(one.requestBody?.content["application/json"].schema)));
const errors = new Map(operations.flatMap(([, , one]) => Object.entries(one.responses))
  .filter(([status]) => status >= 400).map(([status, one]) => [status, one.description]));
const answers = Object.keys(schemas).filter((name) => !requests.has(name));

document.getElementById("endpoints").replaceChildren(
  ...operations.map(endpoint),
  h("h1", {}, "What comes back"),
  ...answers.map((name) => h("section", { class: "card endpoint", id: name },
    h("h2", {}, h("code", {}, name)), h("p", {}, prose(schemas[name].description)), fields(name))),
  h("h1", {}, "When there is no answer"),
  h("section", { class: "card" }, h("ul", {}, [...errors].map(([status, text]) => h("li", {}, `${status}: ${text}`)))));
