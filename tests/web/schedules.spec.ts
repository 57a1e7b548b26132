import { createWorkflow, expect, expectAccessible, test } from "./flowmatic.js";

const NIGHTLY = {
  name: "Nightly report",
  active: true,
  graph: {
    nodes: [
      { key: "at", type: "trigger.schedule", parameters: { cron: "0 9 * * 1-5", timezone: "Europe/Rome" } },
      { key: "set", type: "data.set", name: "Collect", parameters: { fields: { a: 1 } } },
    ],
    edges: [{ from: "at", to: "set" }],
  },
};

test("says in plain words when something starts, pauses it and starts it now", async ({ page, server }) => {
  await page.goto("/schedules");
  await expect(page.getByRole("heading", { name: "No schedule yet" })).toBeVisible();
  await expectAccessible(page);
  await createWorkflow(server, NIGHTLY);
  await page.reload();
  const row = page.getByRole("row", { name: /Nightly report/ });
  await expect(row).toContainText("At 09:00");
  await expect(row).toContainText("0 9 * * 1-5");
  await expectAccessible(page);
  await page.getByRole("switch", { name: "Nightly report on" }).click();
  await expect(row).toContainText("Paused");
  await page.getByRole("switch", { name: "Nightly report on" }).click();
  await expect(row).not.toContainText("Paused");
  await page.getByRole("button", { name: "More for Nightly report" }).click();
  await page.getByRole("menuitem", { name: "Next ten times" }).click();
  const times = page.getByRole("dialog", { name: "Next times of Nightly report" });
  await expect(times.getByRole("row")).toHaveCount(11);
  await expect(times).toContainText("09:00");
  await expectAccessible(page);
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "More for Nightly report" }).click();
  await page.getByRole("menuitem", { name: "Run now" }).click();
  await page.getByRole("button", { name: "Open", exact: true }).click();
  await expect(page.getByRole("treeitem", { name: /Collect/ })).toBeVisible();
});

test("says when the schedules cannot be had", async ({ page, bears }) => {
  bears.push(/503/);
  const error = { success: false, error: { code: "UNAVAILABLE", message: "draining", request_id: "r-2" } };
  await page.route("**/api/v1/schedules?**", (route) => route.fulfill({ status: 503, json: error }));
  await page.goto("/schedules");
  await expect(page.getByRole("alert")).toContainText("r-2");
  await expectAccessible(page);
});
