// Shows openapi.json as text.

function make(tag, text = "", attributes = {}) {
  const element = document.createElement(tag);
  element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

const api = await (await fetch("/openapi.json")).json();

function resolve(schema) {
  return schema?.$ref ? api.components.schemas[schema.$ref.split("/").pop()] : schema;
}

function nameType(schema) {
  if (schema.$ref) return resolve(schema).title;
  if (schema.anyOf) return schema.anyOf.map(nameType).join(" or ");
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" or ");
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.type === "array") return `list of ${nameType(schema.items ?? {}).replace(/^(.* or .*)$/, "($1)")}`;
  return [schema.type ?? "anything"].flat().join(" or ");
}

function describeFields(title, content) {
  const schema = resolve(Object.values(content ?? {})[0]?.schema);
  if (!schema?.properties) return [];
  const list = make("dl");
  for (const [name, field] of Object.entries(schema.properties)) {
    const isOptional = !schema.required?.includes(name);
    const initial = isOptional && field.default !== undefined ? `, by default ${JSON.stringify(field.default)}` : "";
    const term = make("dt");
    term.append(make("code", name));
    const about = field.description ? `. ${field.description}` : "";
    list.append(term, make("dd", `${nameType(field)}${isOptional ? " (optional" + initial + ")" : ""}${about}`));
  }
  return [make("h3", title), list];
}

for (const [path, methods] of Object.entries(api.paths)) {
  for (const [method, endpoint] of Object.entries(methods)) {
    const section = make("section", "", { class: "endpoint" });
    const title = make("h2");
    title.append(make("code", `${method.toUpperCase()} ${path}`));
    const paragraphs = (endpoint.description ?? "").split("\n\n");
    section.append(title, ...paragraphs.map((text) => make("p", text)));
    section.append(...describeFields("Body", endpoint.requestBody?.content));
    section.append(...describeFields("Answer", endpoint.responses[200]?.content));
    document.getElementById("endpoints").append(section);
  }
}
