import { expect, test } from "vitest";
import { around, diffLines } from "./lineDiff";

const MARKS = { both: " ", before: "-", after: "+" };

function diff(before: string, after: string): string {
  const text = (of: string) => of.split("").join("\n");
  return diffLines(text(before), text(after))
    .map(({ kind, text }) => MARKS[kind] + text)
    .join("");
}

test.each([
  ["abc", "abc", " a b c"],
  ["abc", "axc", " a-b+x c"],
  ["abc", "abcd", " a b c+d"],
  ["abc", "bc", "-a b c"],
  ["", "ab", "+a+b"],
  ["ab", "", "-a-b"],
  ["", "", ""],
  ["abcdef", "abxdyf", " a b-c+x d-e+y f"],
])("compares %s with %s", (before, after, expected) => {
  expect(diff(before, after)).toBe(expected);
});

test("goes the shortest way", () => {
  // The example of Myers' paper: five differences.
  expect(diff("abcabba", "cbabac").replace(/ ./g, "")).toHaveLength(10);
});

test("has all of both texts, whatever they are", () => {
  let seed = 7;
  const random = (below: number) => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
    return Math.floor((seed / 2_147_483_648) * below);
  };
  for (let round = 0; round < 300; round += 1) {
    const text = () => Array.from({ length: random(30) }, () => "abcd"[random(4)]).join("\n");
    const [before, after] = [text(), text()];
    const lines = diffLines(before, after);
    const of = (kind: string) => lines.filter((line) => line.kind === "both" || line.kind === kind);
    expect(
      of("before")
        .map((line) => line.text)
        .join("\n"),
    ).toBe(before);
    expect(
      of("after")
        .map((line) => line.text)
        .join("\n"),
    ).toBe(after);
  }
});

test("does not look for long where all is different", () => {
  const many = (name: string) => Array.from({ length: 20_000 }, (_, at) => `${name}${at}`).join("\n");
  expect(diffLines(many("a"), many("b"))).toHaveLength(40_000);
});

test("leaves out what is far from any difference", () => {
  const lines = diffLines("1\n2\n3\n4\n5\n6", "1\n2\n3\n4\n5\nx");
  expect(around(lines, 2)).toEqual([
    { kind: "hidden", count: 3 },
    { kind: "both", text: "4" },
    { kind: "both", text: "5" },
    { kind: "before", text: "6" },
    { kind: "after", text: "x" },
  ]);
});
