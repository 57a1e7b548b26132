import { expect, test } from "vitest";
import { lineOf, locate, rangeOf } from "./jsonText";

const read = (text: string) => {
  const found = locate(text);
  if ("error" in found) throw new Error(found.error.message);
  return found;
};

test.each([
  '{"a": [1, {"b": "x\\n\\"y\\""}], "c": null, "__proto__": 1, "~/": true}',
  "[]",
  "{}",
  ' [ -1.5e3 , false , "" ] ',
  '"ü\\u00e4"',
])("reads %s as JSON.parse does", (text) => {
  expect(JSON.stringify(read(text).value)).toBe(JSON.stringify(JSON.parse(text)));
});

test("says where each value stands", () => {
  const text = '{\n  "graph": {"nodes": [{"key": "a/b"}]}\n}';
  const { ranges } = read(text);
  const at = (pointer: string) => {
    const { from, to } = rangeOf(ranges, pointer);
    return text.slice(from, to);
  };
  expect(at("/graph/nodes/0/key")).toBe('"a/b"');
  expect(at("/graph/nodes/0/type")).toBe('{"key": "a/b"}');
  expect(at("/other")).toBe("{");
  expect(lineOf(text, rangeOf(ranges, "/graph").from)).toBe(2);
});

test.each([
  ["", "a value is missing", 0],
  ['{"a" 1}', "`:` is missing after `a`", 5],
  ['{"a": 1 "b": 2}', "`,` is missing between the fields", 8],
  ["[1 2]", "`,` is missing between the items", 3],
  ["[1", "`,` is missing between the items", 2],
  ['{"a": yes}', "`yes` is no JSON value", 6],
  ["{a: 1}", "the name of a field, in quotes, is missing", 1],
  ['"abc', "a text does not end", 4],
  ["{} x", "something follows after the end", 3],
  ["[1,]", "a value is missing", 3],
  ["[".repeat(500), "this is nested too deep", 129],
])("says what is wrong with %s", (text, message, at) => {
  expect(locate(text)).toEqual({ error: { at, message } });
});
