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
  await page.keyboard.type("\n");
  await expect(page.getByText("Not saved yet")).toBeVisible();
  await server.api("POST", "/api/v1/auth/logout");
  await page.getByRole("button", { name: "Save" }).click();
  await expect(page.getByRole("dialog", { name: "Log in again" })).toBeVisible();
  await expectAccessible(page);
  await page.getByLabel("Password", { exact: true }).fill(OWNER.password);
  await page.keyboard.press("Enter");
  await expect(page.getByRole("dialog")).toBeHidden();
  await expect(page.getByText("Not saved yet")).toBeVisible();
  await page.getByRole("button", { name: "Save" }).click();
  await expect(page.getByText("Saved", { exact: true })).toBeVisible();
});

test("logs out", async ({ page }) => {
  await page.goto("/workflows");
  await page.getByRole("button", { name: "Log out" }).click();
  await expect(page.getByRole("heading", { name: "Log in to Flowmatic" })).toBeVisible();
  await page.goto("/workflows");
  await expect(page.getByRole("heading", { name: "Log in to Flowmatic" })).toBeVisible();
});
