import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";

test("is what the API's description says; if not, `npm run api` rewrites it", { timeout: 60_000 }, () => {
  const fresh = execFileSync("npm", ["run", "--silent", "schema"], { maxBuffer: 16 << 20, stdio: "pipe" });
  expect(readFileSync("src/api/schema.ts", "utf8") === String(fresh)).toBe(true);
});
