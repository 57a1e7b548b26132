import { expect, test } from "vitest";
import { after } from "./openSteps";

test("follows a step from its start to its end", () => {
  const at = { step: { path: "send", name: "Send", attempts: 1, started_at: "2026-11-21T12:00:00.000Z" } };
  let open = after(new Map(), "step.started", at);
  expect(open.get("send")).toMatchObject({ name: "Send", status: "RUNNING" });
  open = after(open, "step.retried", {
    step: { ...at.step, attempts: 2, due_at: "2026-11-21T12:01:00.000Z" },
  });
  expect(open.get("send")).toMatchObject({ status: "WAITING", attempts: 2 });
  expect(after(open, "step.finished", at).size).toBe(0);
});

test.each([undefined, null, {}, { step: null }, { step: { path: 1 } }])("bears %s", (data) => {
  expect(after(new Map(), "step.started", data).size).toBe(0);
});
