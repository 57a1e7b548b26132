import { expect, expectAccessible, test } from "./flowmatic.js";
import { OWNER } from "./server.js";

test("says who one is and how the server is, and changes the theme", async ({ page }) => {
  await page.goto("/settings");
  await expect(page.getByText(OWNER.email).last()).toBeVisible();
  await expect(page.getByText("Owner: may do everything")).toBeVisible();
  await expect(page.getByText("Ready: its store can be reached")).toBeVisible();
  await expectAccessible(page);
  await page.getByRole("button", { name: "Dark", exact: true }).click();
  await expect(page.locator("html")).toHaveAttribute("data-theme", "dark");
  await page.getByRole("button", { name: "System", exact: true }).click();
  await page.setViewportSize({ width: 390, height: 844 });
  await expectAccessible(page);
});
