import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { usedScopes } from "./keys";

test("offers a key what an operation needs, and nothing else", () => {
  const description = readFileSync("../openapi/openapi.json", "utf8");
  const needed = [...description.matchAll(/Needs the scope `([a-z:]+)`/g)].map(([, scope]) => scope);
  expect([...usedScopes].sort()).toEqual([...new Set(needed)].sort());
});
