import { expect, test } from "vitest";
import { filterOf, readExecutionSearch } from "./executions/search";
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
    search: undefined,
    status: "failed",
    mode: undefined,
    since: "1h",
    workflow: undefined,
  });
});

test("looks for an execution by its id once enough of it is there", () => {
  const asked = (search: unknown) => filterOf(readExecutionSearch({ search })).search;
  expect(asked(" 01A2FF ")).toBe("01a2ff");
  expect(asked(1234)).toBe("1234");
  expect(asked("01a")).toBeUndefined();
  expect(asked(" ")).toBeUndefined();
  expect(asked(["01a2"])).toBeUndefined();
});
