import { expect, test } from "vitest";
import { milliseconds } from "./milliseconds";

test.each([
  ["30d", 2_592_000_000],
  ["5m", 300_000],
  ["250ms", 250],
  ["1w", undefined],
  ["", undefined],
])("reads %s", (duration, expected) => {
  expect(milliseconds(duration)).toBe(expected);
});
