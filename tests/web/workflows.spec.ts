import { readFile } from "node:fs/promises";
import type { Page } from "@playwright/test";
import {
  addPerson,
  call,
  createWorkflow,
  expect,
  expectAccessible,
  logIn,
  ORDER_INTAKE,
  test,
  type Workflow,
} from "./flowmatic.js";
import { OWNER, type Server } from "./server.js";

const row = { name: /Order intake/ };

test("lists workflows with what they are and how they last ran", async ({ page, server }) => {
  const workflow = await createWorkflow(server);
  await createWorkflow(server, { ...ORDER_INTAKE, name: "Nightly report", active: false });
  await call(workflow, { data: { amount: 99 } });
  await page.goto("/workflows");
  await expect(page.getByRole("row", row).getByText("Completed")).toBeAttached();
  await expect(page.getByRole("row", { name: /Nightly report/ }).getByText("Draft")).toBeVisible();
  await expectAccessible(page);
  await page.setViewportSize({ width: 390, height: 844 });
  await expect(page.getByRole("row", row)).toBeVisible();
  await expectAccessible(page);
  expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBe(0);
});

test("keeps search and filter in the address", async ({ page, server }) => {
  await createWorkflow(server);
  await createWorkflow(server, { ...ORDER_INTAKE, name: "Nightly report", active: false });
  await page.goto("/workflows");
  await expect(page.getByRole("row", row)).toBeVisible();
  await page.keyboard.press("/");
  await page.keyboard.type("nightly");
  await expect(page.getByRole("row", row)).toBeHidden();
  await expect(page).toHaveURL(/search=nightly/);
  await page.reload();
  await expect(page.getByRole("row", { name: /Nightly report/ })).toBeVisible();
  await expect(page.getByRole("row", row)).toBeHidden();
  await page.getByRole("button", { name: "On", exact: true }).click();
  await expect(page.getByRole("heading", { name: "No workflow fits" })).toBeVisible();
  await expectAccessible(page);
  await page.getByRole("button", { name: "Show all workflows" }).click();
  await expect(page.getByRole("row", row)).toBeVisible();
});

test("keeps the order in the address, and tells drafts from what is off", async ({ page, server }) => {
  await createWorkflow(server, { ...ORDER_INTAKE, name: "B" });
  await createWorkflow(server, { ...ORDER_INTAKE, name: "A", active: false });
  await page.goto("/workflows");
  const names = page.getByRole("row").getByRole("link", { name: /^[AB]$/ });
  await expect(names).toHaveText(["A", "B"]);
  await page.getByRole("switch", { name: "B on" }).click();
  await expect(page.getByText("B is off")).toBeVisible();
  await page.getByRole("button", { name: "Off", exact: true }).click();
  await expect(names).toHaveText(["B"]);
  await page.getByRole("button", { name: "Drafts" }).click();
  await expect(names).toHaveText(["A"]);
  await expect(page).toHaveURL(/status=draft/);
  await page.getByRole("button", { name: "All", exact: true }).click();
  await page.getByRole("combobox", { name: "Order" }).click();
  await page.getByRole("option", { name: "By name" }).click();
  await expect(page).toHaveURL(/sort=name/);
  await expect(names).toHaveText(["A", "B"]);
});

test("does not publish a draft by switching on", async ({ page, server }) => {
  const { id, graph, revision } = await createWorkflow(server);
  await server.api("POST", `/api/v1/workflows/${id}/deactivate`);
  await server.api("PUT", `/api/v1/workflows/${id}`, {
    name: "Order intake",
    graph: { ...(graph as object), edges: [] },
    revision,
  });
  await page.goto("/workflows");
  await expect(page.getByRole("row", row)).toContainText("Edited");
  await page.getByRole("switch", { name: "Order intake on" }).click();
  await expect(page.getByText("Order intake is on, with version 1")).toBeVisible();
  await expect(page.getByRole("row", row)).toContainText("Edited");
});

test("does on a workflow's own screen what its row does", async ({ page, server }) => {
  const { id } = await createWorkflow(server);
  await page.goto(`/workflows/${id}`);
  await page.getByRole("switch", { name: "Order intake on" }).click();
  await expect(page.getByText("Order intake is off")).toBeVisible();
  await expect(page.getByRole("switch", { name: "Order intake on" })).not.toBeChecked();
  await page.getByRole("button", { name: "More for Order intake" }).click();
  await expectAccessible(page);
  await page.getByRole("menuitem", { name: "Delete" }).click();
  await expect(page.getByRole("heading", { name: "Make your first workflow" })).toBeVisible();
  await page.getByRole("button", { name: "Undo" }).click();
  await expect(page.getByRole("row", row)).toBeVisible();
});

test("switches off and on", async ({ page, server }) => {
  const { id } = await createWorkflow(server);
  await page.goto("/workflows");
  await page.getByRole("switch", { name: "Order intake on" }).click();
  await expect(page.getByText("Order intake is off")).toBeVisible();
  expect((await server.api<Workflow>("GET", `/api/v1/workflows/${id}`)).active).toBe(false);
  await page.getByRole("switch", { name: "Order intake on" }).click();
  await expect(page.getByText(/Order intake is on/)).toBeVisible();
  expect((await server.api<Workflow>("GET", `/api/v1/workflows/${id}`)).active).toBe(true);
});

test("says why a workflow with mistakes cannot be switched on", async ({ page, server, bears }) => {
  bears.push(/422|400/);
  const graph = { nodes: [{ key: "a", type: "flow.nothing" }], edges: [] };
  await createWorkflow(server, { name: "Broken", graph });
  await page.goto("/workflows");
  await page.getByRole("switch", { name: "Broken on" }).click();
  await expect(page.getByText("It could not be switched on").first()).toBeVisible();
  await expect(page.getByRole("switch", { name: "Broken on" })).not.toBeChecked();
});

test("runs one with an input, and leads to its execution", async ({ page, server }) => {
  await createWorkflow(server);
  await page.goto("/workflows");
  await page.getByRole("button", { name: "More for Order intake" }).click();
  await page.getByRole("menuitem", { name: "Run now…" }).click();
  const input = page.getByLabel("Input");
  await input.fill("[1]");
  await page.getByRole("button", { name: "Run", exact: true }).click();
  await expect(input).toHaveAccessibleDescription(/no JSON object/);
  await expectAccessible(page);
  await input.fill('{"data": {"amount": 70}}');
  // As keys that are held down do it: it starts once.
  await input.evaluate((element) => {
    const press = { key: "Enter", ctrlKey: true, bubbles: true };
    for (let at = 0; at < 3; at += 1) element.dispatchEvent(new KeyboardEvent("keydown", press));
  });
  await page.getByRole("button", { name: "Open", exact: true }).click();
  await expect(page.getByRole("treeitem", { name: /Answer/ })).toBeVisible();
  expect((await server.api<{ data: unknown[] }>("GET", "/api/v1/executions")).data).toHaveLength(1);
});

test("deletes, and takes it back", async ({ page, server, bears }) => {
  bears.push(/404/);
  const { id } = await createWorkflow(server);
  await page.goto("/workflows");
  await page.getByRole("button", { name: "More for Order intake" }).click();
  await page.getByRole("menuitem", { name: "Delete" }).click();
  await expect(page.getByRole("row", row)).toBeHidden();
  await expect(server.api("GET", `/api/v1/workflows/${id}`)).rejects.toThrow();
  await page.getByRole("button", { name: "Undo" }).click();
  await expect(page.getByRole("row", row)).toBeVisible();
  const { active } = await server.api<Workflow>("GET", `/api/v1/workflows/${id}`);
  expect(active).toBe(true);
});

test("finds deleted workflows, and restores them", async ({ page, server, bears }) => {
  bears.push(/404/);
  const workflow = await createWorkflow(server);
  await createWorkflow(server, { ...ORDER_INTAKE, name: "Nightly report" });
  await page.goto("/workflows");
  await page.getByRole("button", { name: "Deleted", exact: true }).click();
  await expect(page.getByRole("heading", { name: "Nothing is deleted" })).toBeVisible();
  await expectAccessible(page);
  await server.api("DELETE", `/api/v1/workflows/${workflow.id}`);
  await page.goto(`/workflows/${workflow.id}`);
  await page.getByRole("link", { name: "Look among the deleted" }).click();
  await expect(page).toHaveURL(/status=deleted/);
  await expect(page.getByRole("row", row)).toContainText(/until \w+ \d+/);
  await expect(page.getByRole("row", { name: /Nightly report/ })).toBeHidden();
  await expectAccessible(page);
  await page.setViewportSize({ width: 390, height: 844 });
  await expect(page.getByRole("row", row)).toContainText(/until \w+ \d+/);
  expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBe(0);
  await page.getByRole("button", { name: "Restore Order intake" }).click();
  await expect(page.getByText("Order intake is back")).toBeVisible();
  await expect(page.getByRole("heading", { name: "Nothing is deleted" })).toBeVisible();
  const { active } = await server.api<Workflow>("GET", `/api/v1/workflows/${workflow.id}`);
  expect(active).toBe(true);
});

test.describe("as a viewer", () => {
  test.use({ isLoggedIn: false });

  test("says why a deleted workflow cannot be restored", async ({ page, server }) => {
    const { id } = await createWorkflow(server);
    await server.api("DELETE", `/api/v1/workflows/${id}`);
    await logIn(page, server, await addPerson(server, "viewer"));
    await page.goto("/workflows?status=deleted");
    const restore = page.getByRole("button", { name: "Restore Order intake" });
    await expect(restore).toHaveAccessibleDescription("Your role may not change workflows.");
    await expect(restore).toHaveAttribute("aria-disabled", "true");
  });
});

test("restores a deleted workflow from what it has run", async ({ page, server }) => {
  const workflow = await createWorkflow(server);
  await call(workflow, { data: { amount: 99 } });
  await server.api("DELETE", `/api/v1/workflows/${workflow.id}`);
  await page.goto("/executions");
  await page.getByRole("link", { name: "Order intake" }).click();
  await expect(page.getByText("Workflow deleted")).toBeVisible();
  await expectAccessible(page);
  await page.getByRole("button", { name: "More", exact: true }).click();
  await page.getByRole("menuitem", { name: "Restore workflow" }).click();
  await expect(page.getByText("Workflow deleted")).toBeHidden();
  expect((await server.api<Workflow>("GET", `/api/v1/workflows/${workflow.id}`)).name).toBe("Order intake");
});

test("takes a workflow out to a file and back in", async ({ page, server }) => {
  await createWorkflow(server);
  await page.goto("/workflows");
  await page.getByRole("button", { name: "More for Order intake" }).click();
  const downloading = page.waitForEvent("download");
  await page.getByRole("menuitem", { name: "Export as a file" }).click();
  const download = await downloading;
  expect(download.suggestedFilename()).toBe("order-intake.json");
  const file = await readFile(await download.path(), "utf8");
  expect(JSON.parse(file).workflows[0].name).toBe("Order intake");
  const choosing = page.waitForEvent("filechooser");
  await page.getByRole("button", { name: "Import" }).click();
  await (await choosing).setFiles({
    name: "w.json",
    mimeType: "application/json",
    buffer: Buffer.from(file),
  });
  await expect(page.getByText("1 workflow imported, as drafts")).toBeVisible();
  await expect(page.getByRole("row", row)).toHaveCount(2);
});

test("says what is wrong with a file", async ({ page, server, bears }) => {
  bears.push(/400|422/);
  await createWorkflow(server);
  await page.goto("/workflows");
  const bringIn = async (text: string) => {
    const choosing = page.waitForEvent("filechooser");
    await page.getByRole("button", { name: "Import" }).click();
    await (await choosing).setFiles({
      name: "w.json",
      mimeType: "application/json",
      buffer: Buffer.from(text),
    });
  };
  await bringIn("no JSON");
  await expect(page.getByText("This is no file of Flowmatic's: it is not JSON.")).toBeVisible();
  await page.getByRole("dialog").getByRole("button", { name: "Close" }).last().click();
  await bringIn('{"workflows": []}');
  await expect(page.getByRole("dialog", { name: "The file could not be imported" })).toBeVisible();
  await expectAccessible(page);
});

test("shows names with markup, and long ones, as text", async ({ page, server }) => {
  const name = "<img src=x onerror=alert(1)>";
  await createWorkflow(server, { ...ORDER_INTAKE, name });
  await createWorkflow(server, { ...ORDER_INTAKE, name: "long ".repeat(39) });
  await page.goto("/workflows");
  await expect(page.getByRole("link", { name })).toBeVisible();
  expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBe(0);
});

test("goes through the rows with the arrow keys", async ({ page, server }) => {
  await createWorkflow(server);
  await createWorkflow(server, { ...ORDER_INTAKE, name: "Nightly report" });
  await page.goto("/workflows");
  await page.getByRole("link", { name: "Nightly report" }).focus();
  await page.keyboard.press("ArrowDown");
  await expect(page.getByRole("link", { name: "Order intake" })).toBeFocused();
  await page.keyboard.press("ArrowUp");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { name: "Nightly report" })).toBeVisible();
});

test("says when the list cannot be had, and tries again", async ({ page, server, bears }) => {
  bears.push(/503|Failed to load resource/);
  await createWorkflow(server);
  const error = {
    success: false,
    error: { code: "UNAVAILABLE", message: "the store is full", request_id: "r-1" },
  };
  await page.route(/\/api\/v1\/workflows\?/, (route) => route.fulfill({ status: 503, json: error }));
  await page.goto("/workflows");
  await expect(page.getByRole("alert")).toContainText("The store is full.");
  await expect(page.getByRole("alert")).toContainText("r-1");
  await expectAccessible(page);
  await page.unroute(/\/api\/v1\/workflows\?/);
  await page.getByRole("button", { name: "Try again" }).click();
  await expect(page.getByRole("row", row)).toBeVisible();
});

test("shows that a slow list is coming", async ({ page, server }) => {
  await createWorkflow(server);
  let answer = () => {};
  const held = new Promise<void>((resolve) => {
    answer = resolve;
  });
  await page.route(/\/api\/v1\/workflows\?/, async (route) => {
    await held;
    await route.continue();
  });
  await page.goto("/workflows");
  await expect(page.getByRole("status", { name: "Loading" })).toBeVisible();
  answer();
  await expect(page.getByRole("row", row)).toBeVisible();
});

test("edits one as JSON, with the server's mistakes at their lines", async ({ page, server }) => {
  const { id } = await createWorkflow(server);
  await page.goto(`/workflows/${id}`);
  const editor = page.getByLabel("Workflow as JSON");
  await expect(page.getByText("No mistakes.")).toBeVisible();
  await expectAccessible(page);
  await editor.click();
  // Keys that do something elsewhere are letters here.
  await page.keyboard.type("?/ge");
  await expect(editor).toContainText("?/ge");
  await expect(page.getByRole("dialog")).toBeHidden();
  const text = JSON.stringify(
    { name: "Orders", graph: { nodes: [{ key: "a", type: "flow.nothing" }] } },
    null,
    2,
  );
  await editor.click();
  await page.keyboard.press("Control+a");
  await page.evaluate((what) => navigator.clipboard.writeText(what), text);
  await page.keyboard.press("Control+v");
  const problem = page.getByRole("button", { name: /Line 7 There is no node type flow.nothing/ });
  await expect(problem).toBeVisible();
  await expect(page.getByRole("button", { name: "Publish" })).toHaveAttribute("aria-disabled", "true");
  await expectAccessible(page);
  await problem.click();
  await expect(editor).toBeFocused();
  await page.keyboard.press("Control+s");
  await expect(page.getByText("Saved, not published")).toBeVisible();
  await expect(page.getByRole("heading", { name: "Orders" })).toBeVisible();
});

test("loses nothing when two edit one workflow", async ({ page, server, bears }) => {
  bears.push(/409/);
  const workflow = await createWorkflow(server);
  await page.goto(`/workflows/${workflow.id}`);
  const editor = page.getByLabel("Workflow as JSON");
  await editor.click();
  await page.keyboard.press("Control+Home");
  await page.keyboard.type("\n");
  await expect(page.getByText("Not saved yet")).toBeVisible();
  await page.reload();
  await expect(page.getByText("What you had not saved was kept.")).toBeVisible();
  const { graph, revision } = workflow;
  await server.api("PUT", `/api/v1/workflows/${workflow.id}`, { name: "Theirs", graph, revision });
  // The second reload knows from which revision it began, too.
  await page.reload();
  await expect(page.getByText("A newer draft was saved meanwhile.")).toBeVisible();
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Keep mine as a copy" }).click();
  await expect(page.getByRole("heading", { name: "Order intake (my copy)" })).toBeVisible();
  expect((await server.api<Workflow>("GET", `/api/v1/workflows/${workflow.id}`)).name).toBe("Theirs");
});

/** Mine is typed here, theirs is saved behind it; the save of mine is refused. */
async function collide(page: Page, server: Server): Promise<Workflow> {
  const workflow = await createWorkflow(server);
  const { graph, revision } = workflow;
  await page.goto(`/workflows/${workflow.id}`);
  const editor = page.getByLabel("Workflow as JSON");
  await editor.click();
  await page.keyboard.press("Control+a");
  const mine = { name: "Order intake", description: "Mine", graph };
  await page.evaluate((what) => navigator.clipboard.writeText(what), JSON.stringify(mine, null, 2));
  await page.keyboard.press("Control+v");
  await expect(page.getByText("Not saved yet")).toBeVisible();
  const theirs = { name: "Order intake", description: "Theirs", graph, revision };
  await server.api("PUT", `/api/v1/workflows/${workflow.id}`, theirs);
  await page.keyboard.press("Control+s");
  await expect(page.getByRole("dialog", { name: "A newer draft was saved meanwhile" })).toBeVisible();
  return workflow;
}

const descriptionOf = async (server: Server, { id }: Workflow) =>
  (await server.api<{ description: string }>("GET", `/api/v1/workflows/${id}`)).description;

test("shows both versions, and saves mine over theirs", async ({ page, server, bears }) => {
  bears.push(/409/);
  const workflow = await collide(page, server);
  await expect(page.getByRole("dialog")).toContainText("by you, elsewhere");
  const differences = page.getByRole("region", { name: "What is different" });
  await expect(differences.getByRole("listitem")).toContainText([
    '"name"',
    'Newer draft:   "description": "Theirs"',
    'Yours:   "description": "Mine"',
  ]);
  await expect(differences).toContainText("lines are the same");
  await expectAccessible(page);
  await page.setViewportSize({ width: 390, height: 844 });
  await expectAccessible(page);
  await page.keyboard.press("Escape");
  await expect(page.getByText("Nothing of yours is lost.")).toBeVisible();
  await expectAccessible(page);
  expect(await descriptionOf(server, workflow)).toBe("Theirs");
  await page.getByRole("button", { name: "Compare" }).click();
  await page.getByRole("button", { name: "Save mine over it" }).click();
  await expect(page.getByText("Yours is saved over the newer draft")).toBeVisible();
  await expect(page.getByRole("region", { name: "What is different" })).toBeHidden();
  expect(await descriptionOf(server, workflow)).toBe("Mine");
  await page.getByRole("button", { name: "Undo" }).click();
  await expect(page.getByText("The newer draft is saved again")).toBeVisible();
  expect(await descriptionOf(server, workflow)).toBe("Theirs");
  await expect(page.getByLabel("Workflow as JSON")).toContainText('"Mine"');
  await page.getByRole("button", { name: "Save" }).click();
  await expect(page.getByText("Saved", { exact: true })).toBeVisible();
  expect(await descriptionOf(server, workflow)).toBe("Mine");
});

test("takes theirs, with a way back", async ({ page, server, bears }) => {
  bears.push(/409/);
  const workflow = await collide(page, server);
  const editor = page.getByLabel("Workflow as JSON");
  await page.getByRole("button", { name: "Take the newer draft" }).click();
  await expect(editor).toContainText('"Theirs"');
  await expect(page.getByText("Saved", { exact: true })).toBeVisible();
  await page.getByRole("button", { name: "Undo" }).click();
  await expect(editor).toContainText('"Mine"');
  await page.getByRole("button", { name: "Save" }).click();
  await expect(page.getByText("Saved", { exact: true })).toBeVisible();
  expect(await descriptionOf(server, workflow)).toBe("Mine");
});

test("publishes no draft that was not seen", async ({ page, server, bears }) => {
  bears.push(/409/);
  const workflow = await createWorkflow(server);
  await page.goto(`/workflows/${workflow.id}`);
  await expect(page.getByText("No mistakes.")).toBeVisible();
  const { graph, revision } = workflow;
  const theirs = { name: "Theirs", graph: { ...(graph as object), edges: [] }, revision };
  await server.api("PUT", `/api/v1/workflows/${workflow.id}`, theirs);
  await page.getByRole("button", { name: "Publish" }).click();
  await expect(page.getByText("It is in the editor now")).toBeVisible();
  await expect(page.getByRole("heading", { name: "Theirs" })).toBeVisible();
  expect((await server.api<Workflow>("GET", `/api/v1/workflows/${workflow.id}`)).version).toBe(1);
  await page.getByRole("button", { name: "Publish" }).click();
  await expect(page.getByText("Version 2 is published, and on")).toBeVisible();
});

test("keeps what was typed where the workflow is deleted meanwhile", async ({ page, server, bears }) => {
  bears.push(/404/);
  const { id } = await createWorkflow(server);
  await page.goto(`/workflows/${id}`);
  await page.getByLabel("Workflow as JSON").click();
  await page.keyboard.press("Control+Home");
  await page.keyboard.type("\n");
  await server.api("DELETE", `/api/v1/workflows/${id}`);
  await page.keyboard.press("Control+s");
  await expect(page.getByText("This workflow was deleted meanwhile.")).toBeVisible();
  await expectAccessible(page);
  await page.getByRole("button", { name: "Restore it" }).click();
  await expect(page.getByText("It is back. Save once more.")).toBeVisible();
  await page.getByRole("button", { name: "Save" }).click();
  await expect(page.getByText("Saved", { exact: true })).toBeVisible();
});

test("keeps what was not saved for whoever typed it, without secrets", async ({ page, server, bears }) => {
  bears.push(/401/);
  const { id } = await createWorkflow(server);
  const bo = await addPerson(server, "editor", "bo@example.com");
  await page.goto(`/workflows/${id}`);
  const editor = page.getByLabel("Workflow as JSON");
  const auth = { type: "bearer", secret: "hunter2" };
  const node = { key: "call", type: "http.request", parameters: { url: "https://example.com", auth } };
  const text = JSON.stringify({ name: "Ana's own", graph: { nodes: [node] } }, null, 2);
  await editor.click();
  await page.keyboard.press("Control+a");
  await page.evaluate((what) => navigator.clipboard.writeText(what), text);
  await page.keyboard.press("Control+v");
  await expect(page.getByText("Not saved yet")).toBeVisible();
  expect(await page.evaluate(() => JSON.stringify(localStorage))).not.toContain("hunter2");
  await page.reload();
  await expect(page.getByText("without its secrets: type them again")).toBeVisible();
  await expect(editor).toContainText("Ana's own");
  await expect(editor).toContainText('"secret": ""');
  await expectAccessible(page);

  const logInAs = async ({ email, password }: typeof OWNER) => {
    await page.getByRole("button", { name: "Log out" }).click();
    await page.getByLabel("E-mail").fill(email);
    await page.getByLabel("Password", { exact: true }).fill(password);
    // It leads back to where one was.
    await page.getByRole("button", { name: "Log in" }).click();
  };
  await logInAs(bo);
  await expect(editor).toContainText("Amount over 50?");
  await expect(page.getByText("Saved", { exact: true })).toBeVisible();
  await logInAs(OWNER);
  await expect(editor).toContainText("Ana's own");
});

test("shows what a save was refused for at its lines", async ({ page, server, bears }) => {
  bears.push(/400|422/);
  const { id } = await createWorkflow(server);
  await page.goto(`/workflows/${id}`);
  const editor = page.getByLabel("Workflow as JSON");
  await editor.click();
  await page.keyboard.press("Control+a");
  const text = JSON.stringify({ name: "x".repeat(300), graph: { nodes: [] } }, null, 2);
  await page.evaluate((what) => navigator.clipboard.writeText(what), text);
  await page.keyboard.press("Control+v");
  await page.keyboard.press("Control+s");
  await expect(page.getByRole("button", { name: /^Line 2 / })).toBeVisible();
  await expect(page.getByText("Not saved yet")).toBeVisible();
  await expectAccessible(page);
});
