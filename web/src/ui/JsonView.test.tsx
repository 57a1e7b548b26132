import { render, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, test } from "vitest";
import { JsonView } from "./JsonView";

test("shows markup as text", () => {
  render(<JsonView label="Output" value={{ name: "<img src=x onerror=alert(1)>" }} />);
  expect(screen.getByText("<img src=x onerror=alert(1)>")).toBeTruthy();
  expect(document.querySelector("img")).toBeNull();
});

test("draws no more of a long list than is asked for", async () => {
  const items = Array.from({ length: 100_000 }, (_, at) => at);
  render(<JsonView label="Output" value={{ items }} />);
  expect(screen.queryByText("99")).toBeNull();
  await userEvent.click(screen.getByRole("button", { name: /items/ }));
  expect(document.querySelectorAll(".json-line").length).toBeLessThan(110);
  await userEvent.click(screen.getByRole("button", { name: "Show 100 more" }));
  expect(document.querySelectorAll(".json-line").length).toBeGreaterThan(200);
});

test("cuts long texts short", async () => {
  render(<JsonView label="Output" value={{ text: "x".repeat(5_000) }} />);
  const whole = screen.getByRole("button", { name: /Show all 5,000/ });
  expect(document.querySelector(".json-string")?.textContent?.length).toBeLessThan(500);
  await userEvent.click(whole);
  expect(document.querySelector(".json-string")?.textContent?.length).toBe(5_000);
});

test.each([null, "", 0, false, [], {}, undefined])("bears %s", (value) => {
  render(<JsonView label="Output" value={value} />);
  expect(screen.getAllByRole("region").length).toBeGreaterThan(0);
});
