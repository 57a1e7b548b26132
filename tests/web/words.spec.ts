import { createWorkflow, expect, expectAccessible, ORDER_INTAKE, test } from "./flowmatic.js";

test("a switch shows at once what is wanted, and goes back if it is refused", async ({
  page,
  server,
  bears,
}) => {
  bears.push(/500/);
  await createWorkflow(server);
  let answer = () => {};
  const mayAnswer = new Promise<void>((done) => {
    answer = done;
  });
  await page.route("**/deactivate", async (route) => {
    await mayAnswer;
    await route.fulfill({ status: 500, json: { error: { code: "INTERNAL", message: "it broke" } } });
  });
  await page.goto("/workflows");
  const turn = page.getByRole("switch", { name: "Order intake on" });
  await turn.click();
  await expect(turn).not.toBeChecked();
  await expect(turn).toHaveAttribute("aria-busy", "true");
  answer();
  await expect(page.getByText("It could not be switched off").first()).toBeVisible();
  await expect(turn).toBeChecked();
});

test("an answer that cannot be read says so, and asks for no id that is not there", async ({
  page,
  bears,
}) => {
  bears.push(/502/);
  for (const path of [
    "workflows",
    "executions",
    "schedules",
    "connectors",
    "workspace/webhooks",
    "workspace/api-keys",
  ]) {
    const api = path.replace("workspace/api-keys", "keys").replace("workspace/", "");
    for (const json of [{ data: null }, { surprise: true }]) {
      await page.route(`**/api/v1/${api}**`, (route) => route.fulfill({ json }));
      await page.goto(`/${path}`);
      await expect(page.getByText("The server answered in a way that cannot be read.").first()).toBeVisible();
      await expect(page.getByText(/Cannot read properties|request's id|0 connectors/)).toHaveCount(0);
      await page.unroute(`**/api/v1/${api}**`);
    }
  }
  await page.route("**/api/v1/workflows?**", (route) =>
    route.fulfill({ status: 502, body: "<h1>Bad gateway</h1>", headers: { "x-request-id": "abc" } }),
  );
  await page.goto("/workflows");
  await expect(page.getByText(/give the request's id/)).toBeVisible();
  await expect(page.getByText("abc")).toBeVisible();
});

test("names cannot turn the direction of what is read", async ({ page, server }) => {
  await createWorkflow(server, { ...ORDER_INTAKE, name: "\u202Elive" });
  await page.goto("/workflows");
  await page.getByRole("link", { name: "[U+202E]live" }).click();
  await expect(page.getByRole("heading", { level: 1, name: "[U+202E]live" })).toBeVisible();
});

test("lists say as much on a telephone", async ({ page, server }) => {
  await page.setViewportSize({ width: 390, height: 844 });
  await createWorkflow(server, { ...ORDER_INTAKE, active: undefined, name: "Half done" });
  await createWorkflow(server, {
    name: "Nightly",
    active: true,
    graph: {
      nodes: [{ key: "at", type: "trigger.schedule", parameters: { cron: "0 9 * * *" } }],
      edges: [],
    },
  });
  await server.api("POST", "/api/v1/keys", { name: "Shop", scopes: ["workflows:read"] });
  await page.goto("/workflows");
  const row = page.getByRole("row", { name: /Half done/ });
  await expect(row.getByText("Draft").filter({ visible: true })).toBeVisible();
  await expect(row.getByText("Last run:")).toBeVisible();
  await expect(page.getByRole("button", { name: "Import" })).toBeVisible();
  await expectAccessible(page);
  await page.goto("/schedules");
  await expect(page.getByText("0 9 * * *")).toBeVisible();
  await expect(page.getByText(/^Next in/)).toBeVisible();
  await expectAccessible(page);
  await page.goto("/workspace/webhooks");
  await expect(page.getByText("New order").filter({ visible: true })).toBeVisible();
  await expectAccessible(page);
  await page.goto("/workspace/api-keys");
  await expect(page.getByText(/Last used:/)).toBeVisible();
  await expectAccessible(page);
});

test("a file is imported by a command", async ({ page }) => {
  await page.goto("/executions");
  await expect(page.getByRole("heading", { name: "Nothing has run yet" })).toBeVisible();
  await page.keyboard.press("Control+k");
  await page.getByRole("combobox", { name: "Commands" }).fill("import");
  await expect(page.getByRole("option", { name: "Import workflows from a file" })).toBeVisible();
  const chooser = page.waitForEvent("filechooser");
  await page.keyboard.press("Enter");
  await chooser;
});

test("an e-mail that is missing is said to be missing", async ({ page }) => {
  await page.goto("/settings");
  await page.getByLabel("E-mail").fill("");
  await page.getByRole("button", { name: "Save" }).click();
  await expect(page.getByText(/Enter an e-mail address/)).toBeVisible();
});
