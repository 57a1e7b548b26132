import { call, createWorkflow, expect, expectAccessible, test } from "./flowmatic.js";

test("everything is found and done by keyboard", async ({ page, server }) => {
  await createWorkflow(server);
  await page.goto("/workflows");
  await expect(page.getByRole("link", { name: "Order intake" })).toBeVisible();
  await page.keyboard.press("g");
  await page.keyboard.press("e");
  await expect(page.getByRole("heading", { name: "Executions" })).toBeVisible();
  await page.keyboard.press("?");
  await expect(page.getByRole("dialog", { name: "Keyboard shortcuts" })).toBeVisible();
  await expectAccessible(page);
  await page.keyboard.press("Escape");
  await page.keyboard.press("Control+k");
  await page.getByRole("combobox", { name: "Commands" }).fill("order");
  await expect(page.getByRole("option", { name: /Order intake/ })).toBeVisible();
  await expectAccessible(page);
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { name: "Order intake" })).toBeVisible();
  await page.keyboard.press("Control+k");
  await page.getByRole("combobox", { name: "Commands" }).fill("new work");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("dialog", { name: "New workflow" })).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(page.getByRole("dialog")).toBeHidden();
  await page.keyboard.press("Control+k");
  await page.getByRole("combobox", { name: "Commands" }).fill("dark");
  await page.keyboard.press("Enter");
  await expect(page.locator("html")).toHaveAttribute("data-theme", "dark");
  await page.reload();
  await expect(page.locator("html")).toHaveAttribute("data-theme", "dark");
});

test("keys work while a message is shown", async ({ page, server }) => {
  await createWorkflow(server);
  await page.goto("/workflows");
  await page.getByRole("switch", { name: "Order intake on" }).click();
  await expect(page.getByText("Order intake is off").first()).toBeVisible();
  await page.keyboard.press("g");
  await page.keyboard.press("e");
  await expect(page.getByRole("heading", { name: "Executions" })).toBeVisible();
});

test("single keys can be switched off", async ({ page }) => {
  await page.goto("/executions");
  await page.getByRole("button", { name: /Keyboard shortcuts/ }).click();
  await page.getByRole("switch", { name: "Shortcuts of single keys" }).click();
  await page.keyboard.press("Escape");
  await expect(page.getByRole("dialog")).toBeHidden();
  await page.keyboard.press("?");
  await page.keyboard.press("g");
  await page.keyboard.press("w");
  await expect(page.getByRole("heading", { name: "Executions" })).toBeVisible();
  await expect(page.getByRole("dialog")).toBeHidden();
});

test("the navigation is a drawer on a telephone", async ({ page }) => {
  await page.setViewportSize({ width: 390, height: 844 });
  await page.goto("/workflows");
  await page.getByRole("button", { name: "Menu" }).click();
  await expectAccessible(page);
  await page.getByRole("link", { name: "Executions" }).click();
  await expect(page.getByRole("heading", { name: "Executions" })).toBeVisible();
  await expect(page.getByRole("dialog")).toBeHidden();
});

test("a server that goes away is waited for", async ({ page, server, bears }) => {
  bears.push(/ERR_CONNECTION|Failed to load resource/);
  const workflow = await createWorkflow(server);
  await call(workflow, { data: { amount: 99 } });
  await page.goto("/executions");
  await expect(page.getByRole("row", { name: /Order intake/ })).toBeVisible();
  await page.route("**/*", (route) => route.abort("connectionrefused"));
  await expect(page.getByText("Lost the server.")).toBeVisible();
  await expect(page.getByRole("row", { name: /Order intake/ })).toBeVisible();
  await expectAccessible(page);
  await page.unroute("**/*");
  await page.getByRole("button", { name: "Try now" }).click();
  await expect(page.getByText("Lost the server.")).toBeHidden();
});

test("a screen that is asked for while the server is away comes when it is back", async ({ page, bears }) => {
  bears.push(/ERR_CONNECTION|Failed to fetch/);
  await page.goto("/workflows");
  await expect(page.getByRole("heading", { name: "Make your first workflow" })).toBeVisible();
  await page.route("**/*", (route) => route.abort("connectionrefused"));
  await page.keyboard.press("g");
  await page.keyboard.press("t");
  await expect(page.getByText("Lost the server.")).toBeVisible();
  await expect(page.getByRole("heading", { name: "Make your first workflow" })).toBeVisible();
  await page.unroute("**/*");
  await page.evaluate(() => Object.assign(window, { isSamePage: true }));
  await page.getByRole("button", { name: "Try now" }).click();
  await expect(page.getByRole("heading", { level: 1, name: "Settings" })).toBeVisible();
  // To load the page anew would lose what was typed.
  expect(await page.evaluate(() => "isSamePage" in window)).toBe(true);
});

test("a part that cannot be loaded takes nothing else with it", async ({ page, server, bears }) => {
  bears.push(/404|Failed to fetch|Failed to load|MIME|dynamically imported/);
  await createWorkflow(server);
  await page.route(/Toasts|Palette|ExecutionsPage/, (route) => route.fulfill({ status: 404, body: "" }));
  await page.goto("/workflows");
  await expect(page.getByRole("link", { name: "Order intake" })).toBeVisible();
  await page.getByRole("switch", { name: "Order intake on" }).click();
  await expect(page.getByRole("switch", { name: "Order intake on" })).not.toBeChecked();
  await page.keyboard.press("Control+k");
  await expect(page.getByRole("link", { name: "Order intake" })).toBeVisible();
  await page.unroute(/Toasts|Palette|ExecutionsPage/);
  // They may still be asked for, and come now.
  await page.keyboard.press("Escape");
  await expect(page.locator(".palette")).toHaveCount(0);
  // With the next message comes what was told before.
  await page.getByRole("switch", { name: "Order intake on" }).click();
  await expect(page.getByText("Order intake is off").first()).toBeVisible();
  await page.keyboard.press("Control+k");
  await expect(page.getByRole("combobox", { name: "Commands" })).toBeFocused();
});

test("a screen that could not be loaded is loaded again", async ({ page, bears }) => {
  bears.push(/404|Failed to fetch|Failed to load|MIME|dynamically imported/);
  await page.route(/ExecutionsPage/, (route) => route.fulfill({ status: 404, body: "" }));
  await page.goto("/executions");
  await expect(page.getByRole("heading", { name: "This screen could not be shown" })).toBeVisible();
  await expectAccessible(page);
  await page.keyboard.press("g");
  await page.keyboard.press("s");
  await expect(page.getByRole("heading", { level: 1, name: "Schedules" })).toBeVisible();
  await page.keyboard.press("g");
  await page.keyboard.press("e");
  await expect(page.getByRole("heading", { name: "This screen could not be shown" })).toBeVisible();
  await page.unroute(/ExecutionsPage/);
  await page.evaluate(() => Object.assign(window, { isSamePage: true }));
  await page.getByRole("button", { name: "Try again" }).click();
  await expect(page.getByRole("heading", { level: 1, name: "Executions" })).toBeVisible();
  expect(await page.evaluate(() => "isSamePage" in window)).toBe(true);
});

test("an address where nothing is says so", async ({ page, bears }) => {
  bears.push(/404|400/);
  await page.goto("/executions/01a1ffeb-1ff6-7579-bc1b-7fa024d520ff");
  await expect(page.getByRole("heading", { name: "There is no such execution" })).toBeVisible();
  await expectAccessible(page);
  await page.goto("/workflows/01a1ffeb-1ff6-7579-bc1b-7fa024d520ff");
  await expect(page.getByRole("heading", { name: "There is no such workflow" })).toBeVisible();
  await page.goto("/workflows/a/b/c");
  await expect(page.getByRole("heading", { name: "There is nothing here" })).toBeVisible();
});

const ENTRY = 120_000;

test("what every screen loads first is small", async ({ page, server }) => {
  const html = await (await fetch(`${server.url}/`)).text();
  const tags = [...html.matchAll(/<(?:script|link)[^>]*(?:src|href)="(\/[^"]+\.js)"[^>]*>/g)];
  // What is fetched beside it, for what comes next, waits for it.
  const [first, next] = [false, true].map((isNext) =>
    tags.filter(([tag]) => tag.includes('fetchpriority="low"') === isNext).map(([, path]) => path ?? ""),
  ) as [string[], string[]];
  expect(first.length).toBeGreaterThan(1);
  expect(next.some((path) => path.includes("kit"))).toBe(true);
  let total = 0;
  for (const path of first) {
    const body = await page.request.get(path, { headers: { "Accept-Encoding": "identity" } });
    const { gzipSync } = await import("node:zlib");
    total += gzipSync(await body.body(), { level: 9 }).length;
  }
  test.info().annotations.push({ type: "entry", description: `${total} bytes gzipped` });
  expect(total).toBeLessThanOrEqual(ENTRY);
});
