import { expect, expectAccessible, test } from "./flowmatic.js";
import { OWNER } from "./server.js";

test("says who one is and how the server is, and changes the theme", async ({ page }) => {
  await page.goto("/settings");
  await expect(page.getByLabel("E-mail")).toHaveValue(OWNER.email);
  await expect(page.getByText("Owner: may do everything")).toBeVisible();
  await expect(page.getByText("Ready: its store can be reached")).toBeVisible();
  await expect(page.getByText(/^SQLite, .*free/)).toBeVisible();
  await expectAccessible(page);
  await page.getByRole("button", { name: "Dark", exact: true }).click();
  await expect(page.locator("html")).toHaveAttribute("data-theme", "dark");
  await page.getByRole("button", { name: "System", exact: true }).click();
  await page.setViewportSize({ width: 390, height: 844 });
  await expectAccessible(page);
});

test("changes one's name, e-mail and password", async ({ page, bears }) => {
  bears.push(/403/);
  await page.goto("/settings");
  await page.getByLabel("Name").fill("Ana");
  await page.getByLabel("E-mail").fill("ana.new@example.com");
  await page.keyboard.press("Enter");
  await expect(page.getByText("Saved")).toBeVisible();
  await expect(page.getByRole("button", { name: "Save", exact: true })).toBeHidden();
  await expect(page.getByText("Ana", { exact: true })).toBeVisible();
  const password = page.getByRole("region", { name: "Password" });
  await password.getByLabel("Current password", { exact: true }).fill("wrong");
  await password.getByLabel("New password", { exact: true }).fill("a third long one");
  await password.getByRole("button", { name: "Change password" }).click();
  const current = password.getByLabel("Current password", { exact: true });
  await expect(current).toHaveAccessibleDescription(/not your current password/);
  await expect(current).toBeFocused();
  await expectAccessible(page);
  await current.fill(OWNER.password);
  await page.keyboard.press("Enter");
  await expect(page.getByText("Your password is changed")).toBeVisible();
  await page.getByRole("button", { name: "Log out", exact: true }).click();
  await expect(page.getByRole("heading", { name: "Log in to Flowmatic" })).toBeVisible();
  await page.getByLabel("E-mail").fill("ana.new@example.com");
  await page.getByLabel("Password", { exact: true }).fill("a third long one");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { level: 1, name: "Settings" })).toBeVisible();
});

test("ends a session elsewhere", async ({ page, server }) => {
  await server.session();
  await page.goto("/settings");
  const sessions = page.getByRole("region", { name: "Where you are logged in" });
  await expect(sessions.getByText("This browser")).toBeVisible();
  await expect(sessions.getByRole("listitem")).toHaveCount(2);
  await sessions.getByRole("button", { name: /^Log out/ }).click();
  await expect(sessions.getByRole("listitem")).toHaveCount(1);
  await expect(sessions.getByText("This browser")).toBeVisible();
});

test("says when the server cannot tell of itself", async ({ page, bears }) => {
  bears.push(/500|503/);
  await page.route("**/api/v1/about", (route) => route.fulfill({ status: 500, body: "<h1>proxy</h1>" }));
  await page.route("**/readyz", (route) => route.fulfill({ status: 503, json: { status: "unavailable" } }));
  await page.goto("/settings");
  await expect(page.getByRole("alert").filter({ hasText: "not in its own words" })).toBeVisible();
  await expect(page.getByText("Not ready")).toBeVisible();
  await expectAccessible(page);
});
