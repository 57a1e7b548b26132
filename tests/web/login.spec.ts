import { createWorkflow, expect, expectAccessible, test } from "./flowmatic.js";
import { OWNER } from "./server.js";

test.describe("without a session", () => {
  test.use({ isLoggedIn: false });

  test("asks to log in, and then shows what was asked for", async ({ page, bears }) => {
    bears.push(/401/);
    await page.goto("/executions?status=failed");
    await expect(page.getByRole("heading", { name: "Log in to Flowmatic" })).toBeVisible();
    await expectAccessible(page);
    await page.getByRole("button", { name: "Log in" }).click();
    await expect(page.getByLabel("E-mail")).toHaveAccessibleDescription(/Enter the e-mail/);
    await page.getByLabel("E-mail").fill(OWNER.email);
    await page.getByLabel("Password", { exact: true }).fill("wrong");
    await page.getByRole("button", { name: "Log in" }).click();
    await expect(page.getByRole("alert").getByText("The e-mail or the password is wrong.")).toBeVisible();
    await expectAccessible(page);
    await page.getByLabel("Password", { exact: true }).fill(OWNER.password);
    await page.keyboard.press("Enter");
    await expect(page.getByRole("heading", { name: "Executions" })).toBeVisible();
    expect(page.url()).toContain("/executions?status=failed");
  });

  test("never leads to another host", async ({ page }) => {
    await page.goto("/login?to=//example.com/x");
    await page.getByLabel("E-mail").fill(OWNER.email);
    await page.getByLabel("Password", { exact: true }).fill(OWNER.password);
    await page.keyboard.press("Enter");
    await expect(page.getByRole("heading", { name: "Make your first workflow" })).toBeVisible();
  });

  test("says that the browser keeps no session", async ({ page, bears }) => {
    bears.push(/401/);
    await page.goto("/login");
    await page.route("**/auth/login", async (route) => {
      const answer = await route.fetch();
      const { "set-cookie": _, ...headers } = answer.headers();
      await route.fulfill({ response: answer, headers });
    });
    await page.route("**/auth/me", (route) => route.fulfill({ status: 401, json: {} }));
    await page.getByLabel("E-mail").fill(OWNER.email);
    await page.getByLabel("Password", { exact: true }).fill(OWNER.password);
    await page.keyboard.press("Enter");
    await expect(page.getByRole("alert").getByText(/did not keep the session/)).toBeVisible();
  });

  test("says that the server does not answer", async ({ page, server, bears }) => {
    bears.push(/ERR_CONNECTION|500|502/);
    await page.goto("/login");
    await page.getByLabel("E-mail").fill(OWNER.email);
    await page.getByLabel("Password", { exact: true }).fill(OWNER.password);
    await page.route("**/api/**", (route) => route.abort("connectionrefused"));
    await page.getByRole("button", { name: "Log in" }).click();
    await expect(page.getByText("The server did not answer.")).toBeVisible();
    expect(server.url).toBeTruthy();
  });
});

test("a session that ends loses nothing", async ({ page, server, bears }) => {
  bears.push(/401/);
  const workflow = await createWorkflow(server);
  await page.goto(`/workflows/${workflow.id}`);
  const editor = page.getByLabel("Workflow as JSON");
  await editor.click();
  await page.keyboard.press("Control+Home");
  await page.keyboard.type("\n\n");
  await expect(page.getByText("Not saved yet")).toBeVisible();
  await page.context().clearCookies();
  await page.getByRole("button", { name: "Save" }).click();
  await expect(page.getByRole("dialog", { name: "Log in again" })).toBeVisible();
  await expectAccessible(page);
  await page.getByLabel("Password", { exact: true }).fill(OWNER.password);
  await page.keyboard.press("Enter");
  await expect(page.getByRole("dialog", { name: "Log in again" })).toBeHidden();
  await expect(page.getByText("Not saved yet")).toBeVisible();
  // The log-in has said it all.
  await expect(page.getByRole("region", { name: "Messages" }).getByText("could not")).toHaveCount(0);
  await page.getByRole("button", { name: "Save" }).click();
  await expect(page.getByText("Saved", { exact: true })).toBeVisible();
});

test("a session that ends behind a dialog leaves the dialog", async ({ page, server, bears }) => {
  bears.push(/401/);
  await createWorkflow(server);
  await page.goto("/workflows");
  await page.getByRole("button", { name: "More for Order intake" }).click();
  await page.getByRole("menuitem", { name: "Run now…" }).click();
  await page.getByLabel("Input").fill('{"data": {"amount": 70}}');
  await page.context().clearCookies();
  await page.getByRole("button", { name: "Run", exact: true }).click();
  await expect(page.getByRole("dialog", { name: "Log in again" })).toBeVisible();
  await expect(page.getByLabel("Password", { exact: true })).toBeFocused();
  await expectAccessible(page);
  await page.keyboard.type(OWNER.password);
  await page.keyboard.press("Enter");
  await expect(page.getByRole("dialog", { name: "Log in again" })).toBeHidden();
  await expect(page.getByLabel("Input")).toHaveValue('{"data": {"amount": 70}}');
  await expect(page.getByRole("dialog", { name: /Run Order intake/ }).getByRole("alert")).toBeEmpty();
  await page.getByRole("button", { name: "Run", exact: true }).click();
  await expect(page.getByText("Order intake has started")).toBeVisible();
});

test("keeps the session from scripts", async ({ page, server }) => {
  await page.goto("/workflows");
  await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
  const kept = await page.evaluate(() => JSON.stringify({ ...localStorage }) + document.cookie);
  expect(kept).not.toContain("fs_");
  const [cookie] = await page.context().cookies(`${server.url}/api/v1/`);
  expect(cookie).toMatchObject({ httpOnly: true, sameSite: "Strict" });
});

test("a log-in in one tab goes on in the other, and so does a log-out", async ({ page, context, bears }) => {
  bears.push(/401/);
  await page.goto("/workflows");
  const other = await context.newPage();
  await other.goto("/settings");
  await expect(other.getByLabel("E-mail")).toHaveValue(OWNER.email);
  await context.clearCookies();
  for (const one of [page, other]) {
    await one.keyboard.press("g");
    await one.keyboard.press("e");
    await expect(one.getByRole("dialog", { name: "Log in again" })).toBeVisible();
  }
  await page.getByLabel("Password", { exact: true }).fill(OWNER.password);
  await page.keyboard.press("Enter");
  for (const one of [page, other]) await expect(one.getByRole("dialog")).toBeHidden();
  await page.getByRole("button", { name: "Log out" }).click();
  for (const one of [page, other])
    await expect(one.getByRole("heading", { name: "Log in to Flowmatic" })).toBeVisible();
});

test("one stays logged in where the server cannot be told", async ({ page, bears }) => {
  bears.push(/ERR_CONNECTION/);
  await page.goto("/workflows");
  await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
  await page.route("**/auth/logout", (route) => route.abort("connectionrefused"));
  await page.getByRole("button", { name: "Log out" }).click();
  await expect(page.getByText("You are still logged in").first()).toBeVisible();
  await page.unroute("**/auth/logout");
  await page.getByRole("button", { name: "Log out" }).click();
  await expect(page.getByRole("heading", { name: "Log in to Flowmatic" })).toBeVisible();
});

test("logs out", async ({ page }) => {
  await page.goto("/workflows");
  await page.getByRole("button", { name: "Log out" }).click();
  await expect(page.getByRole("heading", { name: "Log in to Flowmatic" })).toBeVisible();
  await page.goto("/workflows");
  await expect(page.getByRole("heading", { name: "Log in to Flowmatic" })).toBeVisible();
});
