import { expect, test } from "vitest";
import { workflow } from "./workflow";

test.each([
  ["bo@example.com", false, "by bo@example.com."],
  ["ana@example.com", true, "by you, elsewhere."],
  [undefined, false, "by somebody else or in another tab."],
])("says who was faster: %s", (name, isSelf, said) => {
  expect(workflow.conflict.byWhom(name, isSelf)).toContain(said);
});
