import { expect, test } from "vitest";
import type { OpenStep } from "../../graph/steps";
import { after, together } from "./openSteps";

test("follows a step from its start to its end", () => {
  const at = { step: { path: "send", name: "Send", attempts: 1, started_at: "2026-11-21T12:00:00.000Z" } };
  let open = after(new Map(), "step.started", at);
  expect(open.get("send")).toMatchObject({ name: "Send", attempts: 1 });
  open = after(open, "step.retried", {
    step: { ...at.step, attempts: 2, due_at: "2026-11-21T12:01:00.000Z" },
  });
  expect(open.get("send")).toMatchObject({ attempts: 2, due_at: "2026-11-21T12:01:00.000Z" });
  expect(after(open, "step.finished", at).size).toBe(0);
});

test.each([undefined, null, {}, { step: null }, { step: { path: 1 } }])("bears %s", (data) => {
  expect(after(new Map(), "step.started", data).size).toBe(0);
});

test("knows of one attempt what the answer and the events say", () => {
  const step = (more: Partial<OpenStep>): OpenStep => ({
    path: "call",
    node: "call",
    name: "Call",
    type: "flow.call",
    ports: [],
    attempts: 1,
    ...more,
  });
  const told = new Map([["call", step({ started_at: "2026-11-21T12:00:00.000Z" })]]);
  expect(together([step({ called: "e-1" })], told)).toMatchObject([
    { called: "e-1", started_at: "2026-11-21T12:00:00.000Z" },
  ]);
  const again = new Map([["call", step({ attempts: 2 })]]);
  expect(together([step({ due_at: "2026-11-21T12:00:00.000Z" })], again)).toEqual([step({ attempts: 2 })]);
});
