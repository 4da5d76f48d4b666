// Shows openapi.json. It loads that document alone, and nothing of it is ever
// taken for HTML.
"use strict";

const $ = (id) => document.getElementById(id);

// el makes an element. Children are elements or text.
function el(name, attrs, ...children) {
  const e = document.createElement(name);
  for (const [k, v] of Object.entries(attrs || {})) e.setAttribute(k, v);
  e.append(...children.filter((c) => c !== null && c !== undefined));
  return e;
}

// inline knows `code` and **bold**.
function inline(text) {
  return text.split(/(`[^`]+`|\*\*[^*]+\*\*)/).map((part) => {
    if (part.startsWith("`")) return el("code", {}, part.slice(1, -1));
    if (part.startsWith("**")) return el("b", {}, part.slice(2, -2));
    return part;
  });
}

// prose knows paragraphs, tables and lists.
function prose(text) {
  return (text || "").split(/\n\s*\n/).filter((block) => block.trim()).map((block) => {
    const lines = block.trim().split("\n");
    if (lines[0].startsWith("|")) {
      const cells = (line) => line.split("|").slice(1, -1).map((c) => c.trim());
      const rows = lines.slice(2).map((line) => el("tr", {}, ...cells(line).map((c) => el("td", {}, ...inline(c)))));
      return el("table", {}, el("tr", {}, ...cells(lines[0]).map((c) => el("th", {}, ...inline(c)))), ...rows);
    }
    if (/^ ?- /.test(block)) {
      return el("ul", {}, ...block.split(/\n(?= ?- )/).map((item) => el("li", {}, ...inline(item.replace(/^\s*- /, "").replace(/\n/g, " ")))));
    }
    return el("p", {}, ...inline(lines.join(" ")));
  });
}

const shown = (value) => el("pre", {}, JSON.stringify(value, null, 2));

class Page {
  constructor(doc) {
    this.doc = doc;
  }

  resolve(schema) {
    if (!schema || !schema.$ref) return schema || {};
    return this.doc.definitions[schema.$ref.replace("#/definitions/", "")] || {};
  }

  typeName(schema) {
    if (!schema) return "";
    if (schema.$ref) {
      const target = this.resolve(schema);
      return target.enum ? "enum" : schema.$ref.replace("#/definitions/", "");
    }
    if (schema.type === "array") return this.typeName(schema.items) + "[]";
    if (schema.additionalProperties) return "map of " + this.typeName(schema.additionalProperties);
    return schema.format ? schema.type + " (" + schema.format + ")" : schema.type || "object";
  }

  // answer is one of the operation's own, or one that many have.
  answer(r) {
    return r.$ref ? this.doc.responses[r.$ref.replace("#/responses/", "")] : r;
  }

  // fields is a table of a message. Messages within it open on demand.
  fields(schema, seen) {
    const target = this.resolve(schema);
    const must = new Set(target.required || []);
    const rows = Object.entries(target.properties || {}).map(([name, p]) => {
      const inner = p.type === "array" ? p.items : p.additionalProperties || p;
      const of = this.resolve(inner);
      const notes = prose(p.description || (p.$ref ? of.description : ""));
      if (of.enum) notes.push(el("p", { class: "type" }, of.enum.filter((v) => !v.endsWith("UNSPECIFIED")).join(" · ")));
      if (of.properties && inner.$ref && !seen.includes(inner.$ref)) {
        const more = el("details", {}, el("summary", {}, inner.$ref.replace("#/definitions/", "")));
        more.addEventListener("toggle", () => {
          if (more.open && more.children.length === 1) more.append(this.fields(inner, seen.concat(inner.$ref)));
        });
        notes.push(more);
      }
      return el("tr", {}, el("td", { class: "name" }, name, must.has(name) ? el("span", { class: "must" }, " *") : null),
        el("td", { class: "type" }, this.typeName(p)), el("td", {}, ...notes));
    });
    return el("table", {}, ...rows);
  }

  curl(verb, path, op) {
    const params = op.parameters || [];
    const example = (p) => encodeURIComponent(p["x-example"] || p.name.toUpperCase());
    let url = path;
    for (const p of params.filter((p) => p.in === "path")) url = url.replace("{" + p.name + "}", example(p));
    const query = params.filter((p) => p.in === "query" && p.required).map((p) => p.name + "=" + example(p)).join("&");
    if (query) url += "?" + query;
    const body = params.find((p) => p.in === "body");
    const words = ["curl -s"];
    if ((op.produces || []).includes("text/event-stream")) words.push("-N -H 'Accept: text/event-stream'");

    words.push("'" + location.origin + url + "'");
    if (body) words.push("\\\n  -d '" + JSON.stringify(body["x-example"] || {}).replaceAll("'", "'\\''") + "'");
    return words.join(" ");
  }

  operation(path, verb, op) {
    const summary = el("summary", {}, el("span", { class: "verb " + verb }, verb), el("span", { class: "path" }, path), el("span", { class: "words" }, op.summary || ""));
    const box = el("details", { class: "op", id: op.operationId }, summary);
    box.addEventListener("toggle", () => {
      if (box.open && box.children.length === 1) box.append(this.inside(path, verb, op));
    });
    return box;
  }

  inside(path, verb, op) {
    const out = el("div", {}, ...prose(op.description), el("pre", {}, this.curl(verb, path, op)));
    const plain = (op.parameters || []).filter((p) => p.in !== "body");
    const body = (op.parameters || []).find((p) => p.in === "body");
    if (plain.length) {
      out.append(el("h4", {}, "Parameters 参数"), el("table", {}, ...plain.map((p) => el("tr", {},
        el("td", { class: "name" }, p.name, p.required ? el("span", { class: "must" }, " *") : null),
        el("td", { class: "type" }, p.in + ", " + this.typeName(p)), el("td", {}, ...prose(p.description))))));
    }
    if (body) {
      out.append(el("h4", {}, "Body 请求体"), this.fields(body.schema, [body.schema.$ref]));
      if (body["x-example"]) out.append(shown(body["x-example"]));
    }
    const ok = op.responses["200"];
    const streamed = ok.schema && ok.schema.properties && ok.schema.properties.result;
    out.append(el("h4", {}, "Answer 应答"), ...prose(ok.description), this.fields(streamed || ok.schema, [(streamed || ok.schema).$ref]));
    for (const example of Object.values(ok.examples || {})) out.append(shown(example));
    out.append(el("h4", {}, "Errors 错误"), el("table", {}, ...Object.entries(op.responses).filter(([status]) => status !== "200" && status !== "default").map(([status, answer]) => {
      const r = this.answer(answer);
      const cell = el("td", {}, ...prose(r.description));
      const example = (r.examples || {})["application/json"];
      if (example) cell.append(el("details", {}, el("summary", {}, "example"), shown(example)));
      return el("tr", {}, el("td", { class: "name bad" }, status), cell);
    })));
    return out;
  }

  show() {
    const { doc } = this;
    $("version").textContent = doc.info.version;
    const main = $("main"), nav = $("nav");
    main.replaceChildren(...prose(doc.info.description));
    for (const tag of doc.tags) {
      const section = el("section", {}, el("h2", { id: tag.name }, tag.name), ...prose(tag.description));
      nav.append(el("b", {}, tag.name));
      for (const [path, verbs] of Object.entries(doc.paths)) {
        for (const [verb, op] of Object.entries(verbs)) {
          if (!op.tags.includes(tag.name)) continue;
          const box = this.operation(path, verb, op);
          box.dataset.find = [path, op.operationId, op.summary, op.description, ...Object.values(op.responses).map((r) => this.answer(r).description)].join(" ").toLowerCase();
          const link = el("a", { href: "#" + op.operationId }, op.operationId.split("_")[1]);
          link.addEventListener("click", () => { box.open = true; });
          link.dataset.find = box.dataset.find;
          section.append(box);
          nav.append(link);
        }
      }
      main.append(section);
    }
    $("search").addEventListener("input", (e) => this.find(e.target.value.trim().toLowerCase()));
    const open = () => {
      const box = $(decodeURIComponent(location.hash.slice(1)));
      if (box && box.tagName === "DETAILS") { box.open = true; box.scrollIntoView(); }
    };
    window.addEventListener("hashchange", open);
    open();
  }

  find(words) {
    for (const e of document.querySelectorAll("[data-find]")) e.hidden = !e.dataset.find.includes(words);
  }
}

fetch("../openapi.json").then((r) => {
  if (!r.ok) throw new Error("openapi.json: " + r.status);
  return r.json();
}).then((doc) => new Page(doc).show()).catch((e) => {
  $("state").textContent = String(e);
  $("state").className = "bad";
});
