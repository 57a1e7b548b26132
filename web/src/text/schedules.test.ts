import { expect, test } from "vitest";
import { schedules } from "./schedules";

test.each([
  ["1m", "Every minute"],
  ["90s", "Every 90 seconds"],
  ["12h", "Every 12 hours"],
  ["1500ms", "Every 1,500 milliseconds"],
  ["soon", "Every soon"],
])("says %s as %s", (every, said) => {
  expect(schedules.every(every)).toBe(said);
});

test.each([
  ["At 09:00, on Monday, Tuesday, Wednesday, Thursday, and Friday.", "At 09:00, Monday to Friday"],
  ["At every 5 minutes.", "Every 5 minutes"],
  ["At 14:15, on day 1, in January and July.", "At 14:15, on day 1, in January and July"],
])("shortens %s", (words, said) => {
  expect(schedules.plainly(words)).toBe(said);
});
