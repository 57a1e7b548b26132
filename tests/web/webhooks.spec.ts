import { createWorkflow, expect, expectAccessible, test } from "./flowmatic.js";

const HOOK = {
  name: "Echo",
  active: true,
  graph: {
    nodes: [
      { key: "hook", type: "trigger.webhook", name: "Called", parameters: { methods: ["POST", "GET"] } },
      { key: "answer", type: "flow.response", parameters: { body: { got: "{{amount}}" } } },
    ],
    edges: [{ from: "hook", to: "answer" }],
  },
};

const SIGNED = {
  name: "Signed",
  active: true,
  graph: {
    nodes: [
      {
        key: "hook",
        type: "trigger.webhook",
        name: "Signed call",
        parameters: { methods: ["POST"], auth: { type: "hmac", secret: "s3cret", header: "X-Signature" } },
      },
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
  await expect(row).toContainText("POST, GET");
  await expectAccessible(page);
  await page.getByRole("button", { name: /Copy: Address of Echo/ }).click();
  expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(workflow.triggers[0]?.url);
  await row.getByRole("link", { name: "Echo", exact: true }).press("Enter");
  await expect(page).toHaveURL(/open=/);
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
  await expect(page).not.toHaveURL(/open=/);
  await expect(row.getByText("Completed")).toBeAttached();
  await page.setViewportSize({ width: 390, height: 844 });
  await expectAccessible(page);
});

test("signs a test as the webhook asks, and says how others must", async ({ page, server }) => {
  const { triggers } = await createWorkflow(server, SIGNED);
  const { id } = triggers[0] as unknown as { id: string };
  await page.goto(`/workspace/webhooks?open=${id}`);
  const dialog = page.getByRole("dialog", { name: "Signed" });
  await expect(dialog).toContainText("HMAC SHA256");
  await expect(dialog).toContainText("openssl dgst -sha256");
  await dialog.getByRole("button", { name: "Send test" }).click();
  await expect(dialog.getByText(/Answered 200/)).toBeVisible();
  await dialog.getByRole("link", { name: "Show its execution" }).click();
  await expect(page.getByRole("treeitem", { name: /Execution/ })).toBeVisible();
});

test("keeps search and filter in the address", async ({ page, server }) => {
  await createWorkflow(server, HOOK);
  await createWorkflow(server, { ...SIGNED, active: false });
  await page.goto("/workspace/webhooks");
  await expect(page.getByRole("row")).toHaveCount(3);
  await page.keyboard.press("/");
  await page.keyboard.type("signed");
  await expect(page.getByRole("row")).toHaveCount(2);
  await expect(page).toHaveURL(/search=signed/);
  await page.getByRole("button", { name: "Live", exact: true }).click();
  await expect(page.getByRole("heading", { name: "No webhook fits" })).toBeVisible();
  await expectAccessible(page);
  await page.getByRole("button", { name: "Show all webhooks" }).click();
  await expect(page.getByRole("row")).toHaveCount(3);
});

test("says why a test cannot be sent", async ({ page, server }) => {
  await createWorkflow(server, { ...HOOK, active: false });
  await page.goto("/workspace/webhooks");
  await page.getByRole("link", { name: "Echo", exact: true }).click();
  await expect(page.getByRole("button", { name: "Send test" })).toHaveAttribute("aria-disabled", "true");
  await expect(page.getByRole("button", { name: "Send test" })).toHaveAccessibleDescription(/not published/);
});

test("says when the webhooks cannot be had", async ({ page, bears }) => {
  bears.push(/503/);
  const error = { success: false, error: { code: "UNAVAILABLE", message: "draining", request_id: "r-3" } };
  await page.route("**/api/v1/webhooks?**", (route) => route.fulfill({ status: 503, json: error }));
  await page.goto("/workspace/webhooks");
  await expect(page.getByRole("alert")).toContainText("r-3");
  await expectAccessible(page);
});

test("bears long names with markup in them", async ({ page, server }) => {
  const name = `<b>bold</b>${"W".repeat(180)}`;
  await createWorkflow(server, { ...HOOK, name });
  await page.goto("/workspace/webhooks");
  await page.getByRole("link", { name }).click();
  const dialog = page.getByRole("dialog", { name });
  await expect(dialog.getByRole("button", { name: "Send test" })).toBeVisible();
  for (const width of [1440, 390]) {
    await page.setViewportSize({ width, height: 844 });
    const title = dialog.getByRole("heading", { name });
    expect(await title.evaluate((one) => one.scrollWidth - one.clientWidth)).toBeLessThanOrEqual(0);
    await expectAccessible(page);
  }
});

test("asks for new calls while it is looked at, and not before it need", async ({ page, server }) => {
  await createWorkflow(server, HOOK);
  let asked = 0;
  page.on("request", (request) => {
    if (new URL(request.url()).pathname === "/api/v1/webhooks") asked += 1;
  });
  await page.clock.install();
  await page.goto("/workspace/webhooks");
  await expect(page.getByRole("row")).toHaveCount(2);
  const see = (state: "hidden" | "visible") =>
    page.evaluate((state) => {
      Object.defineProperty(document, "visibilityState", { configurable: true, get: () => state });
      document.dispatchEvent(new Event("visibilitychange", { bubbles: true }));
    }, state);
  const before = asked;
  await page.clock.runFor(29_000);
  expect(asked).toBe(before);
  await page.clock.runFor(2_000);
  await expect.poll(() => asked).toBe(before + 1);
  await see("hidden");
  await page.clock.runFor(120_000);
  expect(asked).toBe(before + 1);
  await see("visible");
  await expect.poll(() => asked).toBe(before + 2);
});
