// What a JSON Schema says, as far as a form cares.

const PREFIX = "#/$defs/";
const SAFE = Number.MAX_SAFE_INTEGER;
const FORMATS = new Set(["date", "date-time", "time", "duration", "uuid", "decimal", "email"]);

/** Returns a schema behind its references, with what stands beside them, and the name of the last definition. */
export function resolve(schema, definitions) {
  let name = null;
  let found = schema;
  for (;;) {
    const only = found.allOf?.length === 1 ? found.allOf[0] : null;
    if (found.$ref) {
      name = found.$ref.slice(PREFIX.length);
      found = { ...definitions[name], ...omit(found, "$ref") };
    } else if (only) found = { ...only, ...omit(found, "allOf") };
    else return { schema: found, name };
  }
}

function omit(schema, key) {
  const { [key]: _, ...rest } = schema;
  return rest;
}

/** Returns the alternatives of a union; none where a schema is no union. */
export function listMembers(schema) {
  if (Array.isArray(schema.type)) return schema.type.map((type) => ({ ...schema, type }));
  return schema.anyOf ?? schema.oneOf ?? [];
}

/** Returns the values of an enumeration or a literal; null where a schema is neither. */
export function listValues(schema) {
  return "const" in schema ? [schema.const] : (schema.enum ?? null);
}

export function isBytes(schema) {
  return schema.contentEncoding === "base64" || schema.contentEncoding === "base64url";
}

/** Tells whether the client for TypeScript has a bigint for an integer. */
export function isWide(schema) {
  const bounds = [schema.minimum, schema.maximum, schema.exclusiveMinimum, schema.exclusiveMaximum];
  return schema.type === "integer" && bounds.some((bound) => bound !== undefined && Math.abs(bound) > SAFE + 1);
}

/** Returns the schema of a property of an object. */
export function findProperty(schema, name) {
  const rest = typeof schema.additionalProperties === "object" ? schema.additionalProperties : {};
  return schema.properties?.[name] ?? rest;
}

/** Returns the name of a type, for a label. */
export function nameType(schema) {
  if (schema.$ref) return schema.$ref.slice(PREFIX.length);
  const values = listValues(schema);
  if (values) return values.map((value) => JSON.stringify(value)).join(" | ");
  const members = schema.allOf?.length === 1 ? schema.allOf : listMembers(schema);
  if (members.length) return [...new Set(members.map((member) => nameType(member)))].join(" | ");
  if (schema.type === "array") {
    if (schema.prefixItems) return `[${schema.prefixItems.map((item) => nameType(item)).join(", ")}]`;
    const item = nameType(schema.items ?? {});
    return item.includes(" | ") ? `(${item})[]` : `${item}[]`;
  }
  if (schema.type === "object" && typeof schema.additionalProperties === "object") {
    return `{ [key]: ${nameType(schema.additionalProperties)} }`;
  }
  if (schema.type === "string") return isBytes(schema) ? "base64" : FORMATS.has(schema.format) ? schema.format : "string";
  return schema.type ?? "any";
}

/** Tells whether a value may be meant by a schema: by its type, and by the constants inside. */
export function fits(value, schema, definitions) {
  const found = resolve(schema, definitions).schema;
  const values = listValues(found);
  if (values) return values.includes(value);
  const members = listMembers(found);
  if (members.length) return members.some((member) => fits(value, member, definitions));
  const isList = Array.isArray(value);
  const kind = value === null ? "null" : isList ? "array" : typeof value;
  if (!found.type) return true;
  if (found.type === "integer") return kind === "number" ? Number.isInteger(value) : kind === "bigint";
  if (found.type !== kind) return false;
  if (kind !== "object") return true;
  const isSame = ([name, own]) => !(name in value) || !("const" in own) || own.const === value[name];
  return Object.entries(found.properties ?? {}).every(isSame);
}
