import { expect, test } from "vitest";
import { ago, duration, exactly, localTime, took } from "./time";

const now = Date.parse("2026-11-21T12:00:00.000Z");

test.each([
  ["2026-11-21T11:59:58.000Z", "now"],
  ["2026-11-21T11:59:48.000Z", "12 sec. ago"],
  ["2026-11-21T11:57:10.000Z", "2 min. ago"],
  ["2026-11-21T15:00:00.000Z", "in 3 hr."],
  ["2026-11-20T11:00:00.000Z", "yesterday"],
  ["2026-10-01T12:00:00.000Z", "Oct 1"],
  ["2025-10-01T12:00:00.000Z", "Oct 1, 2025"],
])("says %s as %s", (time, said) => {
  expect(ago(time, now)).toBe(said);
});

test.each([
  [0, "0 ms"],
  [999, "999 ms"],
  [1234, "1.2 s"],
  [59_400, "59 s"],
  [185_000, "3 min 5 s"],
  [7_200_000, "2 h"],
  [90_000_000, "1 d 1 h"],
])("says %d milliseconds as %s", (milliseconds, said) => {
  expect(duration(milliseconds)).toBe(said);
});

test("says that something took time, even if none was measured", () => {
  expect(took(0)).toBe("< 1 ms");
  expect(took(1)).toBe("1 ms");
  expect(duration(0)).toBe("0 ms");
});

test("leaves alone what is no time", () => {
  expect(ago("soon", now)).toBe("soon");
  expect(exactly("soon")).toBe("soon");
});

test("says a time as the clocks of its zone show it", () => {
  expect(localTime("2026-11-23T09:00:00+01:00")).toBe("Mon, Nov 23, 09:00");
  expect(localTime("soon")).toBe("soon");
});
