import { expect, test } from "vitest";
import { asFailure, Failure } from "./failure";

test("says what the API says", () => {
  const body = { error: { code: "CONFLICT", message: "saved since", request_id: "r1", details: [] } };
  const failure = Failure.of(new Response(null, { status: 409 }), body);
  expect([failure.kind, failure.message, failure.code, failure.requestId]).toEqual([
    "refused",
    "saved since",
    "CONFLICT",
    "r1",
  ]);
  expect(failure.mayPass).toBe(false);
});

test.each([undefined, null, "<html>", { error: "no" }])("bears a body that is no error: %s", (body) => {
  const response = new Response(null, { status: 502, headers: { "x-request-id": "r2" } });
  const failure = Failure.of(response, body);
  expect([failure.kind, failure.status, failure.requestId]).toEqual(["wrong", 502, "r2"]);
  expect(failure.mayPass).toBe(true);
});

test("makes a failure of whatever is thrown", () => {
  expect(asFailure("odd").message).toBe("odd");
  expect(asFailure(new TypeError("no JSON")).kind).toBe("wrong");
});
