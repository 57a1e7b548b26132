import { expect, test } from "vitest";
import { readExecutionSearch } from "./executions/search";
import { readWorkflowSearch } from "./workflows/search";

test("reads what the address says, and nothing else", () => {
  expect(readWorkflowSearch({ search: "order", status: "off", sort: "name", other: 1 })).toEqual({
    search: "order",
    status: "off",
    sort: "name",
    make: undefined,
  });
  expect(readWorkflowSearch({ search: 42, status: "yes", sort: 1, make: "tea" })).toEqual({
    search: "42",
    status: undefined,
    sort: undefined,
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
