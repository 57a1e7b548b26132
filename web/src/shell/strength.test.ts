import { expect, test } from "vitest";
import { strength } from "./strength";

test.each([
  ["", 0],
  ["short", 0],
  ["aaaaaaaaaaaaaaaaaaaaaa", 0],
  ["elevenchars", 1],
  ["Eleven-chars", 2],
  ["correct horse battery", 3],
  ["Tr0ub4dor&3-longer", 3],
])("judges %s", (password, points) => {
  expect(strength(password)).toBe(points);
});
