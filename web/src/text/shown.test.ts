import { expect, test } from "vitest";
import { shown } from "./shown";

test("writes controls out, and leaves all scripts as they are", () => {
  expect(shown("\u202Elive\u202C")).toBe("[U+202E]live[U+202C]");
  expect(shown("a\tb\u0007")).toBe("a[U+0009]b[U+0007]");
  for (const name of ["Bestellung größer 50 €", "طلب جديد", "注文受付", "👩‍👩‍👧 می‌خواهم"])
    expect(shown(name)).toBe(name);
});
