import { expect, test } from "vitest";
import type { Schemas } from "../api/client";
import {
  ancestors,
  hasBegun,
  iterationOf,
  type OpenStep,
  type StepNode,
  spanOf,
  standingOf,
  stepTree,
  timeOf,
} from "./steps";

const step = (path: string): Schemas["Step"] => ({
  path,
  node: path,
  name: path,
  type: "data.set",
  status: "completed",
  ports: [],
  attempts: 1,
});
const underWay = (path: string): OpenStep => ({
  path,
  node: path,
  name: path,
  type: "http.request",
  ports: [],
  attempts: 1,
});
const shape = (nodes: StepNode[]): unknown[] =>
  nodes.map((node) => (node.children.length === 0 ? node.path : [node.path, ...shape(node.children)]));

test("keeps the order of plain steps", () => {
  expect(shape(stepTree([step("b"), step("a")]))).toEqual(["b", "a"]);
});

test("hangs what is inside a loop below its iterations, in their order", () => {
  const steps = ["each[1]/send", "each[1]", "each[0]/send", "each[0]", "each", "done"].map(step);
  expect(shape(stepTree(steps))).toEqual([
    ["each", ["each[0]", "each[0]/send"], ["each[1]", "each[1]/send"]],
    "done",
  ]);
});

test("shows loops that are not decided yet, and loops in loops", () => {
  const tree = stepTree([step("a[0]/b[2]/c")]);
  expect(shape(tree)).toEqual([["a", ["a[0]", ["a[0]/b", ["a[0]/b[2]", "a[0]/b[2]/c"]]]]]);
  expect(tree[0]?.step).toBeUndefined();
});

test("shows what is under way, until it is decided", () => {
  const tree = stepTree([step("a")], [underWay("a"), underWay("b")]);
  expect(tree.map((node) => [node.path, node.step?.status, node.open?.name])).toEqual([
    ["a", "completed", undefined],
    ["b", undefined, "b"],
  ]);
});

test("says what waits", () => {
  expect(standingOf(underWay("a"))).toBe("RUNNING");
  expect(standingOf({ ...underWay("a"), due_at: "2026-11-21T12:00:00.000Z" })).toBe("WAITING");
  expect(standingOf({ ...underWay("a"), called: "01a1ffeb-1ff6-7579-bc1b-7fa024d520ff" })).toBe("WAITING");
  expect(standingOf({ ...underWay("a"), type: "flow.wait" })).toBe("WAITING");
});

test("gives an iteration the time of what is inside it", () => {
  const timed = (path: string, from: number, to?: number) => ({
    ...step(path),
    started_at: `2026-11-21T12:00:0${from}.000Z`,
    finished_at: to === undefined ? undefined : `2026-11-21T12:00:0${to}.000Z`,
  });
  const steps = [timed("each[0]/a", 1, 2), timed("each[0]/b", 2, 5), step("each[0]")];
  const [iteration] = stepTree(steps)[0]?.children ?? [];
  if (iteration === undefined) throw new Error("there is no iteration");
  expect(timeOf(iteration)).toEqual({
    started_at: "2026-11-21T12:00:01.000Z",
    finished_at: "2026-11-21T12:00:05.000Z",
  });
  const [open] =
    stepTree(
      [timed("each[0]/a", 1, 2)],
      [{ ...underWay("each[0]/b"), started_at: timed("", 2).started_at }],
    )[0]?.children ?? [];
  expect(open && timeOf(open).finished_at).toBeUndefined();
});

test("counts the time of a step from its first try", () => {
  const times = { began_at: "2026-11-21T12:00:00.000Z", started_at: "2026-11-21T12:00:04.000Z" };
  const [tried] = stepTree([
    { ...step("send"), ...times, attempts: 3, finished_at: "2026-11-21T12:00:05.000Z" },
  ]);
  expect(tried && timeOf(tried)).toMatchObject({
    started_at: "2026-11-21T12:00:00.000Z",
    finished_at: "2026-11-21T12:00:05.000Z",
  });
});

test("says what is above", () => {
  expect(ancestors("a[0]/b[2]/c")).toEqual(["a[0]/b[2]", "a[0]/b", "a[0]", "a"]);
  expect(ancestors("a")).toEqual([]);
});

test("bears a hundred thousand steps", () => {
  const steps = Array.from({ length: 100_000 }, (_, at) => step(`each[${at}]/send`));
  expect(stepTree(steps)[0]?.children).toHaveLength(100_000);
});

test("places a step in the time of its execution", () => {
  const at = (ms: number) => new Date(ms).toISOString();
  const timed = { ...step("a"), started_at: at(1_500), finished_at: at(2_000) };
  expect(spanOf(timed, 1_000, 2_000, 9_000)).toEqual({ start: 0.5, length: 0.5 });
  expect(spanOf({ ...step("a"), started_at: at(1_500) }, 1_000, 2_000, 2_000)).toEqual({
    start: 0.5,
    length: 0.5,
  });
  expect(spanOf(step("a"), 1_000, 2_000, 2_000)).toBeUndefined();
  expect(spanOf({ ...step("a"), started_at: at(0), finished_at: at(9_000) }, 1_000, 2_000, 0)).toEqual({
    start: 0,
    length: 1,
  });
});

test("tells turns of a loop from steps", () => {
  expect(iterationOf("each[3]")).toBe(3);
  expect(iterationOf("a[0]/b[2]")).toBe(2);
  expect(iterationOf("each[3]/send")).toBeUndefined();
  expect(iterationOf("each")).toBeUndefined();
});

test("knows what never began", () => {
  const skipped = step("a");
  const ran = { ...skipped, started_at: "2026-11-22T07:00:00.000Z" };
  expect(hasBegun({ status: "QUEUED", steps: [] })).toBe(false);
  expect(hasBegun({ status: "CANCELLED", steps: [skipped] })).toBe(false);
  expect(hasBegun({ status: "CANCELLED", steps: [skipped, ran] })).toBe(true);
  expect(hasBegun({ status: "RUNNING", steps: [] })).toBe(true);
});
