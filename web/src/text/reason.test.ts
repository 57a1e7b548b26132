import { expect, test } from "vitest";
import { Failure } from "../api/failure";
import { reason } from "./reason";

test("says why, in a sentence", () => {
  expect(reason(new Failure("refused", "the store is full", { status: 503 }))).toBe("The store is full.");
});

test("says the only mistake without its place", () => {
  const problems = [{ pointer: "/name", message: "it is empty" }];
  expect(reason(new Failure("refused", "/name: it is empty", { status: 422, problems }))).toBe(
    "It is empty.",
  );
});

test("leaves it to the log-in where the session has ended", () => {
  expect(reason(new Failure("refused", "there is no valid token", { status: 401 }))).toBeUndefined();
});
