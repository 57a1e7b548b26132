import { expect, test } from "vitest";
import { blocks } from "./Prose";

test("knows paragraphs, lists and code", () => {
  const text = "One\nline.\n\n* a\n* b\n  goes on\n\n```json\n{\n\n}\n```\nLast";
  expect(blocks(text)).toEqual([
    { kind: "text", text: "One\nline." },
    { kind: "list", text: "* a\n* b\n  goes on" },
    { kind: "code", text: "{\n\n}" },
    { kind: "text", text: "Last" },
  ]);
});
