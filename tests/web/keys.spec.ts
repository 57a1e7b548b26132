import { expect, expectAccessible, test } from "./flowmatic.js";
import { OWNER } from "./server.js";

test("makes a key, shows it once, and deletes it", async ({ page, server }) => {
  await page.goto("/workspace/api-keys");
  await expect(page.getByRole("heading", { name: "No API key yet" })).toBeVisible();
  await expectAccessible(page);
  await page.getByRole("button", { name: "New key" }).first().click();
  // Not what no operation needs, such as leads.
  await expect(page.getByRole("checkbox")).toHaveCount(7);
  await expect(page.getByRole("checkbox", { name: /leads/ })).toHaveCount(0);
  await page.getByRole("button", { name: "Nothing", exact: true }).click();
  await page.getByRole("button", { name: "Make key" }).click();
  await expect(page.getByLabel("Name")).toHaveAccessibleDescription(/Give it a name/);
  await expect(page.getByText("Choose at least one thing that it may do.")).toBeVisible();
  await expectAccessible(page);
  await page.getByLabel("Name").fill("Shop server");
  await page.getByRole("combobox", { name: "It expires" }).click();
  await page.getByRole("option", { name: "In 90 days" }).click();
  await page.getByRole("checkbox", { name: /See workflows/ }).click();
  await page.getByRole("button", { name: "Make key" }).click();
  const key = await page.getByLabel("API key", { exact: true }).inputValue();
  expect(key).toMatch(/^fm_/);
  await expectAccessible(page);
  const may = (path: string) => fetch(server.direct + path, { headers: { Authorization: `Bearer ${key}` } });
  expect((await may("/api/v1/workflows")).status).toBe(200);
  expect((await may("/api/v1/executions")).status).toBe(403);
  await page.getByRole("button", { name: "I have copied it" }).click();
  const row = page.getByRole("row", { name: /Shop server/ });
  await expect(row).toContainText(OWNER.email);
  const { data } = await server.api<{ data: { expires_at: string }[] }>("GET", "/api/v1/keys");
  const days = (Date.parse(data[0]?.expires_at ?? "") - Date.now()) / 86_400_000;
  expect(Math.round(days)).toBe(90);
  await expectAccessible(page);
  await page.getByRole("button", { name: "Delete Shop server" }).click();
  await expect(page.getByRole("button", { name: "Cancel" })).toBeFocused();
  await page.getByRole("button", { name: "Delete key" }).click();
  await expect(page.getByRole("heading", { name: "No API key yet" })).toBeVisible();
  expect((await may("/api/v1/workflows")).status).toBe(401);
});

test("says when the keys cannot be had", async ({ page, bears }) => {
  bears.push(/500/);
  await page.route("**/api/v1/keys?**", (route) => route.fulfill({ status: 500, body: "<h1>proxy</h1>" }));
  await page.goto("/workspace/api-keys");
  await expect(page.getByRole("alert")).toContainText("not in its own words");
  await expectAccessible(page);
});
