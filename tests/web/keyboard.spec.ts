import { call, createWorkflow, expect, expectAccessible, ORDER_INTAKE, test } from "./flowmatic.js";

test("rows are selected by keyboard", async ({ page, server }) => {
  const workflow = await createWorkflow(server);
  for (let at = 0; at < 4; at += 1) await call(workflow, {});
  await page.goto("/executions");
  await expect(page.getByRole("row")).toHaveCount(5);
  const all = page.getByRole("checkbox", { name: "Select all" });
  for (let at = 0; at < 40 && !(await all.evaluate((one) => one === document.activeElement)); at += 1)
    await page.keyboard.press("Tab");
  await expect(all).toBeFocused();
  await page.keyboard.press("Space");
  await expect(page.getByText("4 selected")).toBeVisible();
  await page.keyboard.press("Space");
  await expect(page.getByText("4 selected")).toBeHidden();
  await page.keyboard.press("Tab");
  const boxes = page.getByRole("checkbox", { name: /^Select (?!all)/ });
  await expect(boxes.first()).toBeFocused();
  await page.keyboard.press("Space");
  await expect(page.getByText("1 selected")).toBeVisible();
  await page.keyboard.press("Tab");
  const links = page.getByRole("row").getByRole("link");
  await expect(links.first()).toBeFocused();
  await page.keyboard.press("x");
  await expect(page.getByText("1 selected")).toBeHidden();
  await page.keyboard.press("Space");
  await expect(page.getByText("1 selected")).toBeVisible();
  expect(await page.evaluate(() => scrollY)).toBe(0);
  await page.keyboard.press("Shift+ArrowDown");
  await page.keyboard.press("Shift+ArrowDown");
  await expect(page.getByText("3 selected")).toBeVisible();
  await expect(links.nth(2)).toBeFocused();
  await page.getByRole("button", { name: "Clear selection" }).click();
  await boxes.first().click();
  await boxes.nth(3).click({ modifiers: ["Shift"] });
  await expect(page.getByText("4 selected")).toBeVisible();
  await boxes.nth(1).click({ modifiers: ["Shift"] });
  await expect(page.getByText("1 selected")).toBeVisible();
});

test("what a key may do is chosen by keyboard", async ({ page }) => {
  await page.goto("/workspace/api-keys");
  await page.getByRole("button", { name: "New key" }).first().press("Enter");
  await expect(page.getByLabel("Name")).toBeFocused();
  const box = page.getByRole("checkbox", { name: /See workflows/ });
  for (let at = 0; at < 20 && !(await box.evaluate((one) => one === document.activeElement)); at += 1)
    await page.keyboard.press("Tab");
  await expect(box).toBeFocused();
  await expect(box).toBeChecked();
  await page.keyboard.press("Space");
  await expect(box).not.toBeChecked();
});

test("a dialog begins at its first field", async ({ page, server }) => {
  await createWorkflow(server);
  await page.goto("/workflows");
  const make = page.getByRole("button", { name: "New workflow" });
  await make.click();
  await expect(page.getByLabel("Name")).toBeFocused();
  await page.keyboard.press("Escape");
  await expect(make).toBeFocused();
  await make.press("Enter");
  await expect(page.getByLabel("Name")).toBeFocused();
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "More for Order intake" }).press("Enter");
  await page.getByRole("menuitem", { name: "Run" }).press("Enter");
  await expect(page.getByLabel("Input")).toBeFocused();
});

test("arrows lead into a list and back to its search", async ({ page, server }) => {
  for (const name of ["First", "Second"]) await createWorkflow(server, { ...ORDER_INTAKE, name });
  await page.goto("/workflows");
  await expect(page.getByRole("row")).toHaveCount(3);
  const first = page.getByRole("link", { name: "Second" });
  await page.keyboard.press("ArrowDown");
  await expect(first).toBeFocused();
  await page.keyboard.press("ArrowDown");
  await expect(page.getByRole("link", { name: "First" })).toBeFocused();
  await page.keyboard.press("ArrowUp");
  await page.keyboard.press("ArrowUp");
  await expect(page.getByRole("searchbox")).toBeFocused();
  await page.keyboard.press("ArrowDown");
  await expect(first).toBeFocused();
});

test("what is typed while the commands are loaded is not lost", async ({ page, server }) => {
  await createWorkflow(server);
  for (const delay of [0, 50, 120]) {
    await page.goto("/executions");
    await expect(page.getByRole("heading", { name: "Nothing has run yet" })).toBeVisible();
    await page.route(/Palette/, async (route) => {
      await new Promise((done) => setTimeout(done, 300));
      await route.continue();
    });
    await page.keyboard.press("Control+k");
    await page.keyboard.type("dark", { delay });
    const box = page.getByRole("combobox", { name: "Commands" });
    await expect(box).toBeFocused();
    await expect(box).toHaveValue("dark");
    await expect(page.getByRole("option", { name: /dark theme/ })).toBeVisible();
    await page.keyboard.type("x");
    await expect(box).toHaveValue("darkx");
    await page.keyboard.press("Escape");
    await expect(page.getByRole("dialog")).toBeHidden();
    await page.unroute(/Palette/);
  }
});

test("the focus stays where work goes on", async ({ page, server, bears }) => {
  bears.push(/401/);
  for (const name of ["First", "Second", "Third"]) await createWorkflow(server, { ...ORDER_INTAKE, name });
  await page.goto("/workflows");
  await page.getByRole("button", { name: "More for Second" }).press("Enter");
  await page.getByRole("menuitem", { name: "Delete" }).press("Enter");
  await expect(page.getByRole("link", { name: "Second" })).toBeHidden();
  await expect(page.getByRole("link", { name: "First" })).toBeFocused();
  // The same after a step back from a row's screen.
  await page.getByRole("link", { name: "First" }).press("Enter");
  await expect(page.getByRole("heading", { level: 1, name: "First" })).toBeVisible();
  await page.goBack();
  await expect(page.getByRole("link", { name: "First" })).toBeFocused();
  // After a log-in over the screen.
  await page.context().clearCookies();
  await page.getByRole("switch", { name: "First on" }).press("Space");
  await expect(page.getByRole("dialog", { name: "Log in again" })).toBeVisible();
  await page.getByLabel("Password", { exact: true }).fill("correct horse battery");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("dialog", { name: "Log in again" })).toBeHidden();
  await expect(page.getByRole("switch", { name: "First on" })).toBeFocused();
});

test("an editor has the focus again after a log-in over it", async ({ page, server, bears }) => {
  bears.push(/401/);
  const workflow = await createWorkflow(server);
  await page.goto(`/workflows/${workflow.id}`);
  const editor = page.getByLabel("Workflow as JSON");
  await editor.click();
  await page.keyboard.press("Control+Home");
  await page.keyboard.type("\n");
  await expect(page.getByText("Not saved yet")).toBeVisible();
  await page.context().clearCookies();
  await page.keyboard.press("Control+s");
  await expect(page.getByRole("dialog", { name: "Log in again" })).toBeVisible();
  await page.getByLabel("Password", { exact: true }).fill("correct horse battery");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("dialog", { name: "Log in again" })).toBeHidden();
  await expect(editor).toBeFocused();
});

test("a bulk retry leaves the focus in the list", async ({ page, server }) => {
  const workflow = await createWorkflow(server);
  for (let at = 0; at < 2; at += 1) await call(workflow, {});
  await page.goto("/executions");
  await page.getByRole("checkbox", { name: "Select all" }).press("Space");
  await page.getByRole("button", { name: "Retry" }).press("Enter");
  await page.getByRole("menuitem", { name: "From the start" }).press("Enter");
  await expect(page.getByText("2 executions retried")).toBeVisible();
  await expect(page.getByRole("row")).toHaveCount(5);
  await expect
    .poll(() => page.evaluate(() => document.activeElement?.closest("[role=table]") !== null))
    .toBe(true);
});

test("what does not fit into a field is not cut off in silence", async ({ page }) => {
  await page.goto("/workflows?make=webhook");
  const name = page.getByLabel("Name");
  await name.fill("a".repeat(150));
  await expect(page.getByText(/of 200 characters/)).toBeHidden();
  await name.fill("a".repeat(195));
  await expect(page.getByText("195 of 200 characters.")).toBeVisible();
  await page.evaluate((text) => navigator.clipboard.writeText(text), "b".repeat(1_000));
  await name.press("Control+a");
  await name.press("Control+v");
  await expect(name).toHaveValue("b".repeat(200));
  await expect(
    page.getByRole("status").getByText(/only 200 fit, and 800 characters were left out/),
  ).toBeVisible();
  await expectAccessible(page);
  await name.press("Backspace");
  await expect(page.getByText(/left out/)).toBeHidden();
});
