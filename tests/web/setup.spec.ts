import { expect, expectAccessible, test } from "./flowmatic.js";
import { OWNER } from "./server.js";

test.use({ isLoggedIn: false, options: { hasOwner: false } });

test("the printed link makes the owner and leads to the first workflow", async ({ page, server }) => {
  await page.goto(server.link ?? "");
  await expect(page.getByRole("heading", { name: "Make the owner" })).toBeVisible();
  await expectAccessible(page);
  await page.getByLabel("E-mail").fill(OWNER.email);
  await page.getByLabel("Password", { exact: true }).fill(OWNER.password);
  await expect(page.getByText("Strong")).toBeVisible();
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { name: "Make your first workflow" })).toBeVisible();
  await expectAccessible(page);
  await page.getByRole("button", { name: /Receive a webhook/ }).click();
  await page.getByLabel("Name").fill("Orders");
  await page.getByRole("button", { name: "Make workflow" }).click();
  await page.getByRole("button", { name: "Publish" }).click();
  await expect(page.getByText("Version 1", { exact: true })).toBeVisible();
  const address = await page.getByLabel("Address of Webhook").inputValue();
  const answer = await fetch(address, { method: "POST" });
  expect(await answer.json()).toEqual({ received: true });
});

test("says at the field what is wrong", async ({ page, server }) => {
  await page.goto(server.link ?? "");
  await page.getByLabel("E-mail").fill("ana");
  await page.getByLabel("Password", { exact: true }).fill("short one");
  await page.getByRole("button", { name: "Make the owner" }).click();
  await expect(page.getByLabel("E-mail")).toHaveAccessibleDescription(/ana@example.com/);
  await expect(page.getByLabel("E-mail")).toBeFocused();
  await expect(page.getByLabel("Password", { exact: true })).toHaveAccessibleDescription(
    /One character more/,
  );
  await expectAccessible(page);
});

test("the log-in of a server without an owner tells of the link", async ({ page }) => {
  await page.goto("/workflows");
  await expect(page.getByRole("heading", { name: "This server has no owner yet" })).toBeVisible();
  await expectAccessible(page);
});

test("tells of a link that is not whole, and of one that was used", async ({ page, server, bears }) => {
  bears.push(/409/);
  await page.goto("/setup");
  await expect(page.getByRole("heading", { name: "Part of the link is missing" })).toBeVisible();
  const token = new URLSearchParams(new URL(server.link ?? "").hash.slice(1)).get("token");
  await page.goto(server.link ?? "");
  await fetch(`${server.direct}/api/v1/auth/setup`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ token, ...OWNER }),
  });
  await page.getByLabel("E-mail").fill("bo@example.com");
  await page.getByLabel("Password", { exact: true }).fill("another long one");
  await page.getByRole("button", { name: "Make the owner" }).click();
  await expect(page.getByRole("heading", { name: "There is an owner already" })).toBeVisible();
  await page.getByRole("link", { name: "Go to the log-in" }).click();
  await expect(page.getByRole("heading", { name: "Log in to Flowmatic" })).toBeVisible();
});
