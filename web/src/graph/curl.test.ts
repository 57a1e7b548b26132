import { expect, test } from "vitest";
import { curl } from "./curl";

const url = "http://localhost/api/webhooks/1";
const none = { type: "none", has_secret: false };

test("calls as senders must", () => {
  expect(curl({ url, method: "GET", body: undefined, auth: none })).toBe(`curl '${url}'`);
  expect(curl({ url, method: "POST", body: `{"a":"it's"}`, auth: none })).toBe(
    `curl -X POST '${url}' -H 'Content-Type: application/json' -d '{"a":"it'\\''s"}'`,
  );
  const token = { type: "token", header: "x-token", has_secret: true };
  expect(curl({ url, method: "GET", body: undefined, auth: token })).toBe(
    `curl '${url}' -H 'x-token: YOUR_SECRET'`,
  );
  const basic = { type: "basic", username: "ana", has_secret: true };
  expect(curl({ url, method: "GET", body: undefined, auth: basic })).toBe(
    `curl '${url}' -u 'ana:YOUR_SECRET'`,
  );
});

test("signs the bytes that it sends", () => {
  const hmac = {
    type: "hmac",
    header: "X-Signature",
    algorithm: "sha1",
    encoding: "hex",
    prefix: "sha1=",
    has_secret: true,
  };
  expect(curl({ url, method: "POST", body: "{}", auth: hmac }).split("\n")).toEqual([
    "BODY='{}'",
    `SIGNATURE=$(printf %s "$BODY" | openssl dgst -sha1 -hmac 'YOUR_SECRET' -r | cut -d' ' -f1)`,
    `curl -X POST '${url}' -H 'Content-Type: application/json' -H "X-Signature: sha1=$SIGNATURE" -d "$BODY"`,
  ]);
  expect(
    curl({ url, method: "POST", body: "{}", auth: { ...hmac, encoding: "base64", prefix: "" } }),
  ).toContain("-binary | base64 -w0");
});
