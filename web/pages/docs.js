// Renders the description of this very server: nothing comes from outside.
"use strict";

const METHODS = ["get", "post", "put", "patch", "delete"];
const search = document.getElementById("search");
const list = document.getElementById("list");
const count = document.getElementById("count");

// An element with attributes and children; text is never parsed as HTML.
function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

// Paragraphs, `code` and **strong**: as much of Markdown as descriptions use.
function prose(text) {
  return (text || "").split(/\n\s*\n/).filter(Boolean).map((paragraph) =>
    el("p", {}, paragraph.split(/(`[^`]+`|\*\*[^*]+\*\*)/).map((part) => {
      if (part.startsWith("`")) return el("code", {}, part.slice(1, -1));
      if (part.startsWith("**")) return el("strong", {}, part.slice(2, -2));
      return part.replace(/\n/g, " ");
    })));
}

function nameOf(reference) {
  return reference.split("/").pop();
}

function link(name) {
  return el("a", { href: "#type-" + name }, name);
}

// A schema in a few words, with links to the types it names.
function type(schema) {
  if (!schema) return ["any"];
  if (schema.$ref) return [link(nameOf(schema.$ref))];
  for (const word of ["allOf", "anyOf", "oneOf"]) {
    if (schema[word]) return schema[word].flatMap((part, index) => (index ? [" or ", ...type(part)] : type(part)));
  }
  if (schema.type === "array") return ["list of ", ...type(schema.items)];
  if (schema.enum) return [schema.enum.join(" | ")];
  const bounds = [
    ["minLength", "at least ", " characters"], ["maxLength", "at most ", " characters"], ["minimum", "from ", ""],
    ["maximum", "to ", ""], ["minItems", "at least ", " items"], ["maxItems", "at most ", " items"],
  ].filter(([key]) => schema[key] !== undefined).map(([key, before, after]) => before + schema[key] + after);
  if (schema.default !== undefined) bounds.push("default " + JSON.stringify(schema.default));
  const name = schema.format && !/^(int|uint|float|double)/.test(schema.format) ? schema.format : schema.type || "any";
  return [[name, ...bounds].join(", ")];
}

function row(name, schema, required, description) {
  return el("tr", {},
    el("th", { scope: "row" }, el("code", {}, name), required ? el("span", { class: "required" }, " required") : null),
    el("td", {}, el("div", { class: "type" }, type(schema)), prose(description || (schema && schema.description))));
}

function fields(schema) {
  const required = schema.required || [];
  const rows = Object.entries(schema.properties || {}).map(([name, property]) =>
    row(name, property, required.includes(name)));
  return rows.length ? el("table", {}, el("tbody", {}, rows)) : null;
}

function content(body) {
  const media = body && body.content && Object.values(body.content)[0];
  return media ? media.schema : null;
}

function responses(operation) {
  const entry = ([status, response]) => {
    const schema = content(response);
    return el("tr", {}, el("th", { scope: "row" }, el("code", {}, status)),
      el("td", {}, prose(response.description), schema ? el("div", { class: "type" }, type(schema)) : null));
  };
  const all = Object.entries(operation.responses || {});
  const good = all.filter(([status]) => status < "400");
  const bad = all.filter(([status]) => status >= "400");
  return [
    el("h4", {}, "Answers"), el("table", {}, el("tbody", {}, good.map(entry))),
    bad.length ? el("details", {}, el("summary", {}, "Errors"), el("table", {}, el("tbody", {}, bad.map(entry)))) : null,
  ];
}

function example(method, path, operation) {
  const lines = ["curl " + (method === "get" ? "" : "-X " + method.toUpperCase() + " ") + location.origin + path];
  if ((operation.security || []).length) lines.push('-H "Authorization: Bearer $FLOWMATIC_KEY"');
  if (operation.requestBody) lines.push("-H 'Content-Type: application/json'", "-d '{…}'");
  return el("pre", { tabindex: "0" }, el("code", {}, lines.join(" \\\n  ")));
}

function article({ method, path, operation }) {
  const parameters = operation.parameters || [];
  const body = content(operation.requestBody);
  return el("article", { id: operation.operationId, tabindex: "-1", "aria-labelledby": operation.operationId + "-title" },
    el("h3", { id: operation.operationId + "-title" }, operation.summary || operation.operationId),
    el("p", { class: "path" }, el("span", { class: "method " + method }, method.toUpperCase()), el("code", {}, path)),
    prose(operation.description),
    parameters.length ? [el("h4", {}, "Parameters"), el("table", {}, el("tbody", {}, parameters.map((parameter) =>
      row(parameter.name, parameter.schema, parameter.required, parameter.description))))] : null,
    body ? [el("h4", {}, "Body"), el("div", { class: "type" }, type(body))] : null,
    responses(operation), example(method, path, operation));
}

function render(description) {
  document.getElementById("head").replaceChildren(
    el("h1", {}, description.info.title + " API"),
    el("p", {}, (description.info.summary || description.info.description || "") + " Version " + description.info.version + "."),
    el("p", {}, "Send an API key in ", el("code", {}, "Authorization: Bearer …"), ". The whole description, for client generators: ",
      el("a", { href: "/api/openapi.json" }, "openapi.json"), "."));
  const operations = Object.entries(description.paths).flatMap(([path, methods]) =>
    METHODS.filter((method) => methods[method]).map((method) => ({ path, method, operation: methods[method] })));
  const tags = description.tags.map((tag) => ({
    ...tag, operations: operations.filter(({ operation }) => (operation.tags || []).includes(tag.name)),
  })).filter((tag) => tag.operations.length);
  document.getElementById("operations").replaceChildren(...tags.flatMap((tag) =>
    [el("h2", {}, tag.name), ...prose(tag.description), ...tag.operations.map(article)]));
  const schemas = document.getElementById("schemas");
  schemas.append(...Object.entries(description.components.schemas).map(([name, schema]) =>
    el("div", { class: "schema", id: "type-" + name, tabindex: "-1" }, el("h3", {}, name), prose(schema.description),
      schema.enum ? el("p", { class: "type" }, schema.enum.join(" | ")) : fields(schema))));
  schemas.hidden = false;
  const show = () => menu(tags, search.value.trim().toLowerCase());
  search.addEventListener("input", show);
  show();
  mark();
  if (location.hash) document.getElementById(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView();
}

function menu(tags, wanted) {
  const fits = ({ method, path, operation }) =>
    [method, path, operation.summary, operation.operationId, operation.description].join(" ").toLowerCase().includes(wanted);
  const found = tags.map((tag) => ({ ...tag, operations: tag.operations.filter(fits) })).filter((tag) => tag.operations.length);
  const total = found.reduce((sum, tag) => sum + tag.operations.length, 0);
  count.textContent = wanted ? total + " operations found" : "";
  list.replaceChildren(...found.flatMap((tag) => [el("h2", {}, tag.name), el("ul", {}, tag.operations.map(({ method, operation }) =>
    el("li", {}, el("a", { href: "#" + operation.operationId }, el("span", { class: "method " + method }, method.toUpperCase()),
      el("span", {}, operation.summary || operation.operationId)))))]));
  if (!total) list.append(el("p", { class: "none" }, "Nothing is called that."));
  mark();
}

// Shows in the menu what the address names.
function mark() {
  for (const anchor of list.querySelectorAll("a")) {
    if (anchor.hash === location.hash) anchor.setAttribute("aria-current", "true");
    else anchor.removeAttribute("aria-current");
  }
}

window.addEventListener("hashchange", () => {
  mark();
  document.getElementById(decodeURIComponent(location.hash.slice(1)))?.focus({ preventScroll: true });
});
document.addEventListener("keydown", (event) => {
  if (event.key === "/" && event.target !== search) {
    event.preventDefault();
    search.focus();
  }
  if (event.target !== search) return;
  if (event.key === "Escape") {
    search.value = "";
    search.dispatchEvent(new Event("input"));
  }
  if (event.key === "Enter") list.querySelector("a")?.click();
});

fetch("/api/openapi.json").then((response) => response.json()).then(render).catch(() => {
  document.getElementById("head").replaceChildren(el("h1", {}, "Flowmatic API"), el("p", { role: "alert" }, "The description could not be read. Load the page again."));
});
