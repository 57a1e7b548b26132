import { expect, test } from "vitest";
import { parametersOf } from "./schema";

const expression = { type: "string", pattern: "\\{\\{", title: "expression" };

test("reads types, choices, defaults and what must be there", () => {
  const found = parametersOf({
    properties: {
      url: { anyOf: [{ type: "string" }, expression], description: "The address." },
      condition: expression,
      method: { $ref: "#/$defs/Method", default: "GET" },
      body: { anyOf: [true, expression] },
      wait: { type: "string", pattern: "^([0-9]{1,10}ms|[0-9]{1,7}s)$", default: "30s" },
    },
    required: ["url"],
    $defs: { Method: { oneOf: [{ const: "GET" }, { const: "POST" }], description: "How." } },
  });
  expect(found.map(({ name, types, choices }) => [name, types, choices])).toEqual([
    ["url", ["string"], []],
    ["condition", ["expression"], []],
    ["method", [], ["GET", "POST"]],
    ["body", ["any"], []],
    ["wait", ["duration"], []],
  ]);
  expect(found[0]).toMatchObject({ isRequired: true, description: "The address." });
  expect(found[2]).toMatchObject({ isRequired: false, default: "GET", description: "How." });
});

test.each([undefined, null, {}, [], { properties: 1 }])("bears %s", (schema) => {
  expect(parametersOf(schema)).toEqual([]);
});

test("ends where a schema holds itself", () => {
  const tree = {
    $defs: { Tree: { anyOf: [{ $ref: "#/$defs/Tree" }] } },
    properties: { a: { $ref: "#/$defs/Tree" } },
  };
  expect(parametersOf(tree)).toHaveLength(1);
});
