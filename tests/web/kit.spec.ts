import { test as base } from "@playwright/test";
import { expect, expectAccessible } from "./flowmatic.js";
import { startKit } from "./server.js";

const test = base.extend<object, { kit: string }>({
  kit: [
    async ({}, use) => {
      const { url, stop } = await startKit();
      await use(url);
      await stop();
    },
    { scope: "worker", timeout: 60_000 },
  ],
});

// One after the other: both would fill Vite's cache of dependencies.
test.describe.configure({ mode: "default" });

for (const width of [1440, 390]) {
  test(`every part is accessible at ${width} px`, async ({ page, kit }) => {
    await page.setViewportSize({ width, height: 900 });
    await page.goto(kit);
    await expect(page.getByRole("heading", { name: "Kit" })).toBeVisible();
    await expectAccessible(page);
    await page.getByRole("button", { name: "Open a dialog" }).click();
    await expect(page.getByRole("dialog", { name: "A dialog" })).toBeVisible();
    await expectAccessible(page);
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "Open the commands" }).click();
    await expectAccessible(page);
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "Open a menu" }).press("Enter");
    await expect(page.getByRole("menuitem", { name: /Copy/ })).toBeFocused();
    await expectAccessible(page);
    await page.keyboard.press("Escape");
    await expect(page.getByRole("button", { name: "Open a menu" })).toBeFocused();
    await page.getByRole("combobox", { name: "Colour" }).click();
    await page.getByRole("option", { name: "Red" }).click();
    await expect(page.getByRole("combobox", { name: "Colour" })).toHaveText(/Red/);
    await page.getByRole("button", { name: "Tell", exact: true }).click();
    await expect(page.getByRole("button", { name: "Undo" })).toBeVisible();
    await expectAccessible(page);
    await page.emulateMedia({ forcedColors: "active" });
    await expect(page.getByRole("heading", { name: "Kit" })).toBeVisible();
  });
}
