import { expect, test } from "vitest";
import { sampleInput } from "./RunDialog";

const manual = (input: unknown) => ({
  nodes: [{ key: "start", type: "trigger.manual", parameters: { input } }],
});
const sample = (input: unknown) => JSON.parse(sampleInput(manual(input) as never)) as unknown;

test("has the fields that the manual trigger asks for", () => {
  const properties = {
    email: { type: "string", title: "Who to invite" },
    seats: { type: "integer", default: 3 },
    plan: { enum: ["free", "team"] },
    is_new: { type: "boolean" },
    note: {},
  };
  expect(sample({ type: "object", properties })).toEqual({
    email: "",
    seats: 3,
    plan: "free",
    is_new: false,
    note: null,
  });
});

test("is empty where nothing is asked for", () => {
  for (const input of [undefined, {}, { properties: null }]) expect(sample(input)).toEqual({});
  expect(sampleInput(undefined)).toBe("{}");
  expect(sampleInput({ nodes: [] } as never)).toBe("{}");
});
