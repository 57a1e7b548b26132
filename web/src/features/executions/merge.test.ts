import { expect, test } from "vitest";
import type { Schemas } from "../../api/client";
import { merge, type Pages, update } from "./merge";

const row = (id: number, status: Schemas["ExecutionStatus"] = "COMPLETED"): Schemas["ExecutionSummary"] => ({
  id: String(id).padStart(4, "0"),
  workflow_id: "w",
  version: 1,
  status,
  mode: "webhook",
  trigger: "hook",
  started_at: "2026-11-21T12:00:00.000Z",
});
const page = (ids: number[], next: string | null = null, status?: Schemas["ExecutionStatus"]) => ({
  data: ids.map((id) => row(id, status)),
  next_cursor: next,
});
const pages = (...all: ReturnType<typeof page>[]): Pages => ({
  pages: all,
  pageParams: all.map(() => undefined),
});
const ids = (of: Pages) => of.pages.flatMap((one) => one.data.map((found) => Number(found.id)));

test("puts what is new before what is there", () => {
  const merged = merge(pages(page([5, 4], "c"), page([3, 2])), page([7, 6, 5], "x"), true);
  expect(ids(merged.pages)).toEqual([7, 6, 5, 4, 3, 2]);
  expect(merged.pages.pages[0]?.next_cursor).toBe("c");
  expect(merged.held).toBe(0);
});

test("holds what is new back from who reads further down, and still says how rows have ended", () => {
  const merged = merge(pages(page([5, 4], null, "RUNNING")), page([6, 5, 4]), false);
  expect(ids(merged.pages)).toEqual([5, 4]);
  expect(merged.pages.pages[0]?.data[0]?.status).toBe("COMPLETED");
  expect(merged.held).toBe(1);
});

test("begins anew where more has come than a page holds", () => {
  const merged = merge(pages(page([5, 4])), page([9, 8, 7], "more"), true);
  expect(ids(merged.pages)).toEqual([9, 8, 7]);
});

test("is the same object where nothing has changed", () => {
  const before = pages(page([5, 4], "c"));
  expect(merge(before, page([5, 4]), true).pages).toBe(before);
});

test("fills an empty list", () => {
  expect(ids(merge(pages(page([])), page([1]), true).pages)).toEqual([1]);
});

test("takes away what fits no more, but not from who reads further down", () => {
  const before = pages(page([5, 4, 3], "c"), page([2, 1]));
  expect(ids(merge(before, page([6, 5, 3], "x"), true).pages)).toEqual([6, 5, 3, 2, 1]);
  expect(ids(merge(before, page([6, 5, 3], "x"), false).pages)).toEqual([5, 4, 3, 2, 1]);
  expect(ids(merge(before, page([5, 2]), true).pages)).toEqual([5, 2]);
});

test("puts what was late into its place", () => {
  expect(ids(merge(pages(page([7, 5])), page([7, 6, 5]), true).pages)).toEqual([7, 6, 5]);
});

test("says at once how a row has ended", () => {
  const before = pages(page([5], null, "RUNNING"), page([4], null, "WAITING"));
  const after = update(before, new Map([["0004", row(4, "FAILED")]]));
  expect(after.pages.flatMap((one) => one.data.map((found) => found.status))).toEqual(["RUNNING", "FAILED"]);
  expect(after.pages[0]).toBe(before.pages[0]);
  expect(update(before, new Map([["0009", row(9)]]))).toBe(before);
});
