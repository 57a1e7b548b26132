import { createWorkflow, expect, expectAccessible, test } from "./flowmatic.js";

const HOOK = {
  name: "Echo",
  active: true,
  graph: {
    nodes: [
      { key: "hook", type: "trigger.webhook", name: "Called", parameters: { methods: ["POST"] } },
      { key: "answer", type: "flow.response", parameters: { body: { got: "{{amount}}" } } },
    ],
    edges: [{ from: "hook", to: "answer" }],
  },
};

test("tells of a webhook all that a caller needs, and sends a test", async ({ page, server }) => {
  await page.goto("/workspace/webhooks");
  await expect(page.getByRole("heading", { name: "No webhook yet" })).toBeVisible();
  await expectAccessible(page);
  const workflow = await createWorkflow(server, HOOK);
  await page.reload();
  const row = page.getByRole("row", { name: /Echo/ });
  await expect(row).toContainText("Live");
  await expect(row).toContainText("Never");
  await expectAccessible(page);
  await page.getByRole("button", { name: /Copy: Address of Echo/ }).click();
  expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(workflow.triggers[0]?.url);
  await row.getByRole("button", { name: "Echo", exact: true }).click();
  await expect(page.getByRole("dialog")).toContainText("curl -X POST");
  const body = page.getByLabel("Body");
  await body.fill("{");
  await page.getByRole("button", { name: "Send test" }).click();
  await expect(body).toHaveAccessibleDescription("This is no JSON.");
  await body.fill('{"amount": 7}');
  await page.getByRole("button", { name: "Send test" }).click();
  await expect(page.getByText(/Answered 200/)).toBeVisible();
  await expect(page.getByRole("region", { name: "Answer" })).toContainText("7");
  await expectAccessible(page);
  await page.keyboard.press("Escape");
  await expect(row.getByText("Completed")).toBeAttached();
});

test("says why a test cannot be sent", async ({ page, server }) => {
  await createWorkflow(server, { ...HOOK, active: false });
  await page.goto("/workspace/webhooks");
  await page.getByRole("button", { name: "Echo", exact: true }).click();
  await expect(page.getByRole("button", { name: "Send test" })).toHaveAttribute("aria-disabled", "true");
  await expect(page.getByRole("button", { name: "Send test" })).toHaveAccessibleDescription(/It is off/);
});
