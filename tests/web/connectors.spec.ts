import { expect, expectAccessible, test } from "./flowmatic.js";

test("finds a connector, and says what it takes", async ({ page }) => {
  await page.goto("/connectors");
  await expect(page.getByRole("link", { name: "HTTP request" })).toBeVisible();
  await expectAccessible(page);
  await page.getByRole("searchbox").fill("list filter");
  await expect(page.getByRole("link", { name: "HTTP request" })).toBeHidden();
  await page.getByRole("searchbox").fill("nothing like it");
  await expect(page.getByRole("heading", { name: "No connector fits" })).toBeVisible();
  await expectAccessible(page);
  await page.getByRole("button", { name: "Show all connectors" }).click();
  await page.getByRole("link", { name: "HTTP request" }).click();
  await expect(page.getByRole("row", { name: /url required/ })).toContainText("The address");
  await expect(page.getByRole("row", { name: /^method/ })).toContainText("DELETE");
  await expect(page.getByRole("region", { name: "What it makes" })).toContainText("201");
  await expectAccessible(page);
  await page.setViewportSize({ width: 390, height: 844 });
  await expectAccessible(page);
  expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBe(0);
});

test("says that there is no such connector, and when there are none to be had", async ({ page, bears }) => {
  bears.push(/500/);
  await page.goto("/connectors/http.nothing");
  await expect(page.getByRole("heading", { name: "There is no such connector" })).toBeVisible();
  await page.route("**/api/v1/connectors", (route) => route.fulfill({ status: 500, body: "" }));
  await page.goto("/connectors");
  await expect(page.getByRole("alert")).toBeVisible();
  await expectAccessible(page);
});
