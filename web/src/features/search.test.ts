import { expect, test } from "vitest";
import { readExecutionSearch } from "./executions/search";
import { readWorkflowSearch } from "./workflows/search";

test("reads what the address says, and nothing else", () => {
  expect(readWorkflowSearch({ search: "order", active: true, other: 1 })).toEqual({
    search: "order",
    active: true,
    make: undefined,
  });
  expect(readWorkflowSearch({ search: 42, active: "yes", make: "tea" })).toEqual({
    search: "42",
    active: undefined,
    make: undefined,
  });
  expect(readWorkflowSearch({ make: "schedule" }).make).toBe("schedule");
  expect(readWorkflowSearch({ search: "x".repeat(300) }).search).toHaveLength(200);
});

test("leaves out filters that do not exist", () => {
  expect(readExecutionSearch({ status: "failed", mode: "magic", since: "1h", workflow: "x" })).toEqual({
    status: "failed",
    mode: undefined,
    since: "1h",
    workflow: undefined,
  });
});
