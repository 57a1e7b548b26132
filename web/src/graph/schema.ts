// The parameters of a node, read from their JSON schema, for people.

type Schema = Record<string, unknown>;

export interface Parameter {
  name: string;
  /** Names of types as JSON schema has them, `any`, `duration` or `expression`. */
  types: string[];
  /** The values it may have, where they are few. */
  choices: string[];
  isRequired: boolean;
  default: unknown;
  description: string;
}

/** How many schemas inside each other are looked through. */
const DEEPEST = 6;

export function parametersOf(schema: unknown): Parameter[] {
  const root = asSchema(schema);
  const required = Array.isArray(root.required) ? root.required : [];
  return Object.entries(asSchema(root.properties)).map(([name, raw]) => {
    const property = asSchema(raw);
    const { types, choices } = typeOf(root, property, 0);
    return {
      name,
      types: types.length > 1 ? types.filter((type) => type !== "expression" && type !== "null") : types,
      choices,
      isRequired: required.includes(name),
      default: property.default,
      description: text(property.description) || text(resolve(root, property).description),
    };
  });
}

function typeOf(root: Schema, schema: Schema, depth: number): { types: string[]; choices: string[] } {
  const resolved = resolve(root, schema);
  if (depth > DEEPEST) return { types: [], choices: [] };
  if (text(resolved.title) === "expression") return { types: ["expression"], choices: [] };
  if (Array.isArray(resolved.enum))
    return { types: [], choices: resolved.enum.map(text).filter((one) => one !== "") };
  if (resolved.const !== undefined) return { types: [], choices: [text(resolved.const)] };
  for (const several of [resolved.anyOf, resolved.oneOf, resolved.allOf]) {
    if (!Array.isArray(several)) continue;
    const parts = several.map((part) =>
      part === true ? { types: ["any"], choices: [] } : typeOf(root, asSchema(part), depth + 1),
    );
    return {
      types: [...new Set(parts.flatMap((part) => part.types))],
      choices: [...new Set(parts.flatMap((part) => part.choices))],
    };
  }
  // Durations are texts of a pattern that begins with their first unit.
  if (text(resolved.pattern).includes("ms|")) return { types: ["duration"], choices: [] };
  const types = Array.isArray(resolved.type) ? resolved.type.map(text) : [text(resolved.type) || "any"];
  return { types, choices: [] };
}

function resolve(root: Schema, schema: Schema): Schema {
  const name = /^#\/\$defs\/(.+)$/.exec(text(schema.$ref))?.[1];
  return name === undefined ? schema : asSchema(asSchema(root.$defs)[name]);
}

function asSchema(value: unknown): Schema {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Schema) : {};
}

function text(value: unknown): string {
  return typeof value === "string" || typeof value === "number" ? String(value) : "";
}
