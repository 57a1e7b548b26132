import {
  call,
  createWorkflow,
  expect,
  expectAccessible,
  ORDER_INTAKE,
  test,
  type Workflow,
} from "./flowmatic.js";
import type { Server } from "./server.js";

const WAITS = {
  name: "Waits",
  active: true,
  graph: {
    nodes: [
      { key: "start", type: "trigger.manual" },
      { key: "wait", type: "flow.wait", name: "Wait", parameters: { duration: "1h" } },
    ],
    edges: [{ from: "start", to: "wait" }],
  },
};

/** Executions that wait. */
async function startMany(server: Server, amount: number): Promise<void> {
  const workflow = await createWorkflow(server, WAITS);
  const path = `/api/v1/workflows/${workflow.id}/execute`;
  for (let at = 0; at < amount; at += 10)
    await Promise.all(Array.from({ length: 10 }, () => server.api("POST", path, {})));
}

test("shows executions while they happen", async ({ page, server }) => {
  const workflow = await createWorkflow(server);
  await page.goto("/executions");
  await expect(page.getByRole("heading", { name: "Nothing has run yet" })).toBeVisible();
  await expectAccessible(page);
  await call(workflow, { data: { amount: 99 } });
  const completed = page.getByRole("row", { name: /Completed.*Order intake/ });
  await expect(completed).toBeVisible();
  await expect(completed).not.toContainText(/\b0 ms/);
  await call(workflow, {});
  await expect(page.getByRole("row", { name: /Failed.*Order intake/ })).toBeVisible();
  await expectAccessible(page);
  await page.setViewportSize({ width: 390, height: 844 });
  await expectAccessible(page);
});

test("keeps filters in the address", async ({ page, server }) => {
  const workflow = await createWorkflow(server);
  const other = await createWorkflow(server, { ...ORDER_INTAKE, name: "Other orders" });
  await call(workflow, { data: { amount: 99 } });
  await call(other, {});
  await page.goto("/executions");
  await expect(page.getByRole("row")).toHaveCount(3);
  await page.getByRole("combobox", { name: "Status" }).click();
  await expectAccessible(page);
  await page.getByRole("option", { name: "Failed" }).click();
  await expect(page.getByRole("row")).toHaveCount(2);
  await expect(page).toHaveURL(/status=failed/);
  await page.getByRole("combobox", { name: "Workflow" }).fill("order int");
  await page.getByRole("option", { name: "Order intake" }).click();
  await expect(page.getByRole("heading", { name: "No execution fits the filters" })).toBeVisible();
  await page.reload();
  await expect(page.getByRole("combobox", { name: "Workflow" })).toHaveValue("Order intake");
  await page.getByRole("button", { name: "Clear filters" }).first().click();
  await expect(page.getByRole("row")).toHaveCount(3);
});

test("finds an execution by its id, in the list and in the commands", async ({ page, server }) => {
  const workflow = await createWorkflow(server);
  for (let at = 0; at < 3; at += 1) await call(workflow, {});
  const { data } = await server.api<{ data: { id: string }[] }>("GET", "/api/v1/executions");
  const id = data[1]?.id ?? "";
  await page.goto("/executions");
  await expect(page.getByRole("row")).toHaveCount(4);
  await page.keyboard.press("/");
  await expect(page.getByRole("searchbox", { name: "Find by id" })).toBeFocused();
  await page.keyboard.type(id.slice(0, 3));
  await expect(page.getByText("Type 4 characters or more")).toBeVisible();
  await expect(page.getByRole("row")).toHaveCount(4);
  await page.keyboard.type(`${id.slice(3).toUpperCase()} `);
  await expect(page.getByRole("row")).toHaveCount(2);
  await expect(page).toHaveURL(new RegExp(`search=${id}`, "i"));
  await expect(page.getByRole("link", { name: "Order intake" })).toHaveAttribute("href", `/executions/${id}`);
  await expectAccessible(page);
  await page.getByRole("searchbox").fill("Order intake");
  await expect(page.getByText("An execution is found by its id")).toBeVisible();
  await expectAccessible(page);
  await page.keyboard.press("Escape");
  await expect(page.getByRole("row")).toHaveCount(4);
  await page.keyboard.press("Control+k");
  await page.getByRole("combobox", { name: "Commands" }).fill(` ${id}`);
  await page.getByRole("option", { name: id }).click();
  await expect(page).toHaveURL(new RegExp(`/executions/${id}$`));
});

test("retries many at once", async ({ page, server }) => {
  const workflow = await createWorkflow(server);
  for (let at = 0; at < 3; at += 1) await call(workflow, {});
  await page.goto("/executions");
  await expect(page.getByRole("row")).toHaveCount(4);
  await page.getByRole("checkbox", { name: "Select all" }).click();
  await expect(page.getByText("3 selected")).toBeVisible();
  await expectAccessible(page);
  await page.getByRole("button", { name: "Retry" }).click();
  await page.getByRole("menuitem", { name: "From the start" }).click();
  await expect(page.getByText("3 executions retried")).toBeVisible();
  await expect(page.getByRole("row")).toHaveCount(7);
});

test("retries and cancels more than one sees, after a question", async ({ page, server }) => {
  await startMany(server, 110);
  await page.goto("/executions?status=waiting");
  await expect(page.getByText("100+ executions")).toBeVisible();
  await page.getByRole("checkbox", { name: "Select all" }).click();
  await page.getByRole("button", { name: "Select all that fit" }).click();
  const selection = page.getByRole("region", { name: "Selected executions" });
  await expect(selection).toContainText("All that fit the filters");
  // One that is taken out again is not meant, nor are those that were not seen.
  await page.getByRole("row").nth(1).getByRole("checkbox").click();
  await expect(selection).toContainText("99 selected");
  await page.getByRole("checkbox", { name: "Select all" }).click();
  await page.getByRole("button", { name: "Select all that fit" }).click();
  await page
    .getByRole("region", { name: "Selected executions" })
    .getByRole("button", { name: "Cancel" })
    .click();
  const question = page.getByRole("dialog", { name: "Cancel all that fit the filters?" });
  await expect(question).toBeVisible();
  await expectAccessible(page);
  await question.getByRole("button", { name: "Cancel all" }).click();
  await expect(page.getByText("110 executions cancelled")).toBeVisible();
});

test("goes on with many while one is elsewhere, and stops when it is told to", async ({ page, server }) => {
  await startMany(server, 110);
  let release = () => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  await page.route("**/api/v1/executions/cancel", async (route) => {
    await released;
    await route.continue();
  });
  await page.goto("/executions?status=waiting");
  await page.getByRole("checkbox", { name: "Select all" }).click();
  await page.getByRole("button", { name: "Select all that fit" }).click();
  const selected = page.getByRole("region", { name: "Selected executions" });
  await selected.getByRole("button", { name: "Cancel" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Cancel all" }).click();
  const under = page.getByRole("region", { name: "Work on many executions" });
  await expect(under).toContainText("Cancelling: 0 so far");
  await page.getByRole("checkbox", { name: "Select all" }).click();
  await expect(under).toBeVisible();
  await expectAccessible(page);
  await page.getByRole("link", { name: "Workflows" }).first().click();
  await expect(page.getByRole("heading", { name: "Workflows" })).toBeVisible();
  await page.goBack();
  await under.getByRole("button", { name: "Stop" }).click();
  await expect(under).toContainText("Stopping after what is under way");
  release();
  await expect(page.getByText("Stopped: 100 executions cancelled")).toBeVisible();
  await expect(under).toBeHidden();
  const left = await server.api<{ data: unknown[] }>("GET", "/api/v1/executions?status=WAITING&limit=100");
  expect(left.data).toHaveLength(10);
});

test("says how far it came when a call fails, and goes on with the rest under the same key", async ({
  page,
  server,
  bears,
}) => {
  bears.push(/ERR_FAILED|503/);
  const workflow = await createWorkflow(server);
  for (let at = 0; at < 110; at += 10)
    await Promise.all(Array.from({ length: 10 }, () => call(workflow, {})));
  const keys: (string | undefined)[] = [];
  await page.route("**/api/v1/executions/retry", async (route) => {
    keys.push(route.request().headers()["idempotency-key"]);
    if (keys.length !== 2) return route.continue();
    const error = { code: "UNAVAILABLE", message: "the disk is full", request_id: "r-9" };
    await route.fulfill({ status: 503, json: { success: false, error } });
  });
  await page.goto("/executions?status=failed");
  await expect(page.getByText("100+ executions")).toBeVisible();
  await page.mouse.move(700, 500);
  await page.mouse.wheel(0, 20_000);
  await expect(page.getByText("110 executions")).toBeVisible();
  await page.getByRole("checkbox", { name: "Select all" }).click();
  const selected = page.getByRole("region", { name: "Selected executions" });
  await expect(selected).toContainText("110 selected");
  await selected.getByRole("button", { name: "Retry" }).click();
  await page.getByRole("menuitem", { name: "From the start" }).click();
  const told = page.getByText("The disk is full. 100 executions retried. The rest is still selected.");
  await expect(told).toBeVisible();
  await expect(selected).toContainText("10 selected");
  await selected.getByRole("button", { name: "Retry" }).click();
  await page.getByRole("menuitem", { name: "From the start" }).click();
  await expect(page.getByText("10 executions retried", { exact: true })).toBeVisible();
  await expect(selected).toBeHidden();
  expect(keys[0]).toMatch(/^[!-~]{1,256}$/);
  expect(keys[1]).not.toBe(keys[0]);
  expect(keys[2]).toBe(keys[1]);
});

test("says of those that never began what kept them, and of those that wait what they wait for", async ({
  page,
  server,
}) => {
  const one = await createWorkflow(server, {
    ...WAITS,
    name: "One at a time",
    graph: { ...WAITS.graph, settings: { start: { concurrency: { limit: 1 } } } },
  });
  const start = (workflow: Workflow) =>
    server.api<{ id: string }>("POST", `/api/v1/workflows/${workflow.id}/execute`, {});
  await start(one);
  const queued = await start(one);
  await page.goto(`/executions/${queued.id}`);
  await expect(page.getByRole("tabpanel")).toContainText("waits to begin");
  await expectAccessible(page);
  await page.getByRole("button", { name: "Cancel" }).click();
  await expect(page.getByText("It was cancelled before it began.")).toBeVisible();
  await expect(page.getByRole("treeitem")).toHaveText("CancelledExecution");
  await expect(page.getByRole("button", { name: "Retry from the start" })).toBeVisible();
  const asks = (message: string) =>
    createWorkflow(server, {
      name: "Asks",
      active: true,
      graph: {
        nodes: [
          { key: "start", type: "trigger.manual" },
          { key: "ask", type: "flow.wait", name: "Ask", parameters: { resume: "approval", message } },
        ],
        edges: [{ from: "start", to: "ask" }],
      },
    });
  const asked = await start(await asks("Pay it back?"));
  await page.goto(`/executions/${asked.id}?step=ask`);
  await expect(page.getByRole("tabpanel")).toContainText("until a person approves or rejects");
  await expect(page.getByRole("tabpanel")).toContainText("Pay it back?");
  await expectAccessible(page);
  // What an expression gave is asked, and the page on which to decide is one step away.
  const askedMore = await start(await asks("Pay {{_execution.id}} back?"));
  await page.goto(`/executions/${askedMore.id}?step=ask`);
  await expect(page.getByRole("tabpanel")).toContainText(`Pay ${askedMore.id} back?`);
  const opened = page.waitForEvent("popup");
  await page.getByRole("link", { name: "Open the page to decide" }).click();
  const form = await opened;
  await expect(form.getByText(`Pay ${askedMore.id} back?`)).toBeVisible();
  await form.getByRole("button", { name: "Approve" }).click();
  await expect(form.getByText("Thank you")).toBeVisible();
  await expect(page.getByRole("treeitem", { name: /Ask/ })).toContainText("Completed");
});

test("says which step failed and why, and retries from there", async ({ page, server }) => {
  const workflow = await createWorkflow(server);
  await call(workflow, {});
  await page.goto("/executions");
  await page
    .getByRole("row", { name: /Order intake/ })
    .getByRole("link")
    .press("Enter");
  await expect(page.getByRole("treeitem", { name: /Amount over 50\?/ })).toBeVisible();
  await page.getByRole("treeitem", { name: /Execution/ }).focus();
  await page.keyboard.press("ArrowDown");
  await expect(page.getByRole("treeitem", { name: /Amount over 50\?/ })).toBeFocused();
  await expect(page.getByRole("tabpanel")).toContainText("there is no data.amount");
  await expect(page).toHaveURL(/step=big/);
  await expectAccessible(page);
  await page.reload();
  await expect(page.getByRole("tab", { name: "Error" })).toBeVisible();
  await page.setViewportSize({ width: 390, height: 844 });
  await expectAccessible(page);
  await page.setViewportSize({ width: 1440, height: 900 });
  const before = page.url();
  await page.getByRole("button", { name: "Retry from failed step" }).click();
  await expect(page.getByText("A new execution has started")).toBeVisible();
  expect(page.url()).not.toBe(before);
});

test("shows loops by their items, and what each step was given and made", async ({ page, server }) => {
  const workflow = await createWorkflow(server, {
    name: "Each product",
    active: true,
    graph: {
      nodes: [
        { key: "hook", type: "trigger.webhook" },
        { key: "each", type: "flow.for_each", name: "Each product", parameters: { items: "{{items}}" } },
        {
          key: "set",
          type: "data.set",
          name: "Set price",
          parent: "each",
          parameters: { fields: { price: "{{_item}}" } },
        },
      ],
      edges: [{ from: "hook", to: "each" }],
    },
  });
  await call(workflow, { items: [3, 4, "<b>5</b>"] });
  await page.goto("/executions");
  await page
    .getByRole("row", { name: /Each product/ })
    .getByRole("link")
    .click();
  await page.getByRole("treeitem", { name: /Item 3/ }).click();
  await expect(page.getByRole("heading", { name: "Each product: Item 3" })).toBeVisible();
  await expect(page.getByRole("tabpanel")).toContainText("Its steps show what they were given and made.");
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("ArrowDown");
  await expect(page.getByRole("treeitem", { name: /Set price/ })).toBeFocused();
  await expect(page.getByRole("tabpanel")).toContainText("<b>5</b>");
  await page.getByRole("tab", { name: "Input" }).click();
  await expect(page.getByRole("tabpanel")).toContainText("fields");
  await expectAccessible(page);
});

test("asks for what a step was given and made when it is chosen, and once", async ({ page, server }) => {
  const workflow = await createWorkflow(server);
  await call(workflow, { data: { amount: 99 } });
  const { data } = await server.api<{ data: { id: string }[] }>("GET", "/api/v1/executions");
  const id = data[0]?.id ?? "";
  const asked: string[] = [];
  page.on("request", (request) => {
    const url = new URL(request.url());
    if (url.pathname.startsWith(`/api/v1/executions/${id}`)) asked.push(url.pathname.slice(-4) + url.search);
  });
  await page.goto(`/executions/${id}`);
  await expect(page.getByRole("tabpanel")).toContainText("total");
  const had = page.waitForResponse(/path=reply/);
  await page.getByRole("treeitem", { name: /Amount over 50\?/ }).click();
  await expect(page.getByRole("region", { name: "Output" })).toBeVisible();
  await expect(page).toHaveURL(/step=big/);
  // The step beside it is had before it is chosen, and shown without any loading between.
  await (await had).finished();
  const beside = await page.evaluate(async () => {
    const key = new KeyboardEvent("keydown", { key: "ArrowDown", bubbles: true });
    document.activeElement?.dispatchEvent(key);
    const shown: string[] = [];
    while (!location.search.includes("reply") || shown.length < 5) {
      await new Promise(requestAnimationFrame);
      const title = document.querySelector(".inspector-head h2")?.textContent;
      shown.push(
        `${title}: ${document.querySelector(".inspector-loading, [role=status][aria-label]") === null}`,
      );
    }
    return [...new Set(shown)];
  });
  expect(beside.filter((shown) => shown.endsWith("false"))).toEqual([]);
  await expect(page.getByRole("heading", { name: "Answer" })).toBeVisible();
  await page.getByRole("tab", { name: "Input" }).click();
  await expect(page.getByRole("tabpanel")).toContainText("total");
  await page.getByRole("treeitem", { name: /Answer/ }).focus();
  await page.keyboard.press("ArrowUp");
  await expect(page.getByRole("region", { name: "Output" })).toBeVisible();
  expect(asked.filter((one) => one === "step?path=big")).toHaveLength(1);
  expect(asked.filter((one) => !one.startsWith("step") && !one.endsWith("?without=data"))).toEqual([]);
});

test("says when what a step was given and made is still to come, or cannot be had", async ({
  page,
  server,
  bears,
}) => {
  bears.push(/500/);
  const workflow = await createWorkflow(server);
  await call(workflow, { data: { amount: 99 } });
  const { data } = await server.api<{ data: { id: string }[] }>("GET", "/api/v1/executions");
  let answer = () => {};
  const isAsked = new Promise<void>((resolve) => {
    answer = resolve;
  });
  const error = {
    success: false,
    error: { code: "INTERNAL", message: "the disk is full", request_id: "r-7" },
  };
  await page.route("**/step?path=big", async (route) => {
    await isAsked;
    await route.fulfill({ status: 500, json: error });
  });
  await page.goto(`/executions/${data[0]?.id}?step=big`);
  await expect(page.getByRole("tabpanel").getByRole("status", { name: "Loading" })).toBeVisible();
  await expectAccessible(page);
  answer();
  await expect(page.getByRole("tabpanel").getByRole("alert")).toContainText("r-7");
  await expectAccessible(page);
  await page.getByRole("tab", { name: "Details" }).click();
  await expect(page.getByRole("tabpanel")).toContainText("flow.if");
  await page.unroute("**/step?path=big");
  await page.route("**/step?path=big", (route) => route.fulfill({ json: { surprise: true } }));
  await page.getByRole("tab", { name: "Output" }).click();
  await page.getByRole("button", { name: "Try again" }).click();
  await expect(page.getByRole("alert")).toContainText("The server answered something unexpected");
  await page.unroute("**/step?path=big");
  await page.getByRole("button", { name: "Try again" }).click();
  await expect(page.getByRole("region", { name: "Output" })).toBeVisible();
});

test("shows steps under way by the server's events", async ({ page, server }) => {
  const workflow = await createWorkflow(server, {
    name: "Waits",
    active: true,
    graph: {
      nodes: [
        { key: "start", type: "trigger.manual" },
        { key: "set", type: "data.set", name: "Prepare", parameters: { fields: { a: 1 } } },
        { key: "wait", type: "flow.wait", name: "Wait an hour", parameters: { duration: "1h" } },
      ],
      edges: [
        { from: "start", to: "set" },
        { from: "set", to: "wait" },
      ],
    },
  });
  const { id } = await server.api<{ id: string }>("POST", `/api/v1/workflows/${workflow.id}/execute`, {});
  await page.goto(`/executions/${id}`);
  await expect(page.getByRole("treeitem", { name: /Waiting Wait an hour/ })).toBeVisible();
  await expectAccessible(page);
});

test("cancels one that waits", async ({ page, server }) => {
  const workflow = await createWorkflow(server, WAITS);
  const { id } = await server.api<{ id: string }>("POST", `/api/v1/workflows/${workflow.id}/execute`, {});
  await page.goto(`/executions/${id}`);
  await page.getByRole("button", { name: "Cancel" }).click();
  await expect(
    page.getByRole("banner").or(page.locator("header")).getByText("Cancelled").first(),
  ).toBeVisible();
});

test("bears outputs of ten megabytes, deep ones, and markup in them", async ({ page, server }) => {
  const workflow = await createWorkflow(server);
  await call(workflow, { data: { amount: 99 } });
  const { data } = await server.api<{ data: { id: string }[] }>("GET", "/api/v1/executions");
  const id = data[0]?.id ?? "";
  const real = await server.api("GET", `/api/v1/executions/${id}/step?path=big`);
  const deep = JSON.parse(`${"[".repeat(100)}1${"]".repeat(100)}`);
  const output = {
    html: "<img src=x onerror=alert(1)>",
    deep,
    long: "x".repeat(5_000_000),
    many: Array.from({ length: 200_000 }, (_, at) => ({ at })),
  };
  await page.route("**/step?path=big", (route) => route.fulfill({ json: { ...real, output } }));
  await page.goto(`/executions/${id}?step=big`);
  const shown = page.getByRole("region", { name: "Output" });
  await expect(shown.getByText("<img src=x onerror=alert(1)>")).toBeVisible();
  await shown.getByRole("button", { name: /many/ }).click();
  await expect(shown.getByRole("button", { name: "Show 100 more" })).toBeVisible();
  await shown.getByRole("button", { name: "Show all 100,000 characters" }).click();
  await page.getByRole("tab", { name: "Details" }).click();
  await expect(page.getByRole("tabpanel")).toContainText("flow.if");
  expect(await page.evaluate(() => document.querySelectorAll("*").length)).toBeLessThan(5_000);
});

test("bears an answer that is not what it should be", async ({ page, bears }) => {
  bears.push(/./);
  await page.route("**/api/v1/executions?**", (route) => route.fulfill({ json: { surprise: true } }));
  await page.goto("/executions");
  await expect(page.getByRole("alert")).toContainText("The server answered in a way that cannot be read.");
  await page.getByRole("link", { name: "Workflows" }).click();
  await expect(page.getByRole("heading", { name: "Make your first workflow" })).toBeVisible();
  await page.unroute("**/api/v1/executions?**");
  await page.route("**/api/v1/executions?**", (route) => route.fulfill({ body: "<h1>A proxy</h1>" }));
  await page.goto("/executions");
  await expect(page.getByRole("alert")).toContainText("The server answered something unexpected");
});

const MANY = 100_000;

test("scrolls through a hundred thousand without a stutter", async ({ page, server }) => {
  const workflow = await createWorkflow(server);
  // Made up in the page: a thousand answers of the server would take longer than all other tests.
  await page.addInitScript(
    ({ many, workflow_id }) => {
      const answer = (from: number, amount: number) => ({
        success: true,
        data: Array.from({ length: amount }, (_, at) => ({
          id: `01a1ffeb-0000-7000-8000-${String(many - from - at).padStart(12, "0")}`,
          workflow_id,
          version: 1,
          status: at % 7 === 0 ? "FAILED" : "COMPLETED",
          mode: "webhook",
          trigger: "hook",
          started_at: new Date(Date.UTC(2026, 10, 21) - (from + at) * 1000).toISOString(),
          duration_ms: at,
        })),
        next_cursor: from + amount < many ? String(from + amount) : null,
      });
      const real = window.fetch;
      window.fetch = async (input, init) => {
        const url = new URL(input instanceof Request ? input.url : String(input), location.href);
        if (url.pathname !== "/api/v1/executions") return real(input, init);
        const { cursor, limit } = Object.fromEntries(url.searchParams);
        // The pages of the list are larger than the API's, so that there are fewer to wait for.
        const amount = Number(limit) === 100 ? 1_000 : Number(limit);
        return Response.json(answer(Number(cursor ?? 0), amount));
      };
    },
    { many: MANY, workflow_id: workflow.id },
  );
  await page.goto("/executions");
  await expect(page.getByRole("row").nth(5)).toBeVisible();
  const frame = () => page.evaluate(() => new Promise((resolve) => requestAnimationFrame(resolve)));
  const total = page.getByText(/[\d,]+\+? executions/);
  for (let said = ""; said !== "100,000 executions"; said = (await total.textContent()) ?? "") {
    await page.evaluate(() => scrollTo(0, document.documentElement.scrollHeight));
    await frame();
  }
  const { drawn, median, late } = await page.evaluate(async () => {
    const frames: number[] = [];
    let last = performance.now();
    // Back, in steps that a wheel makes.
    for (let step = 0; step < 300; step += 1) {
      scrollBy(0, -400);
      const now = await new Promise<number>((resolve) => requestAnimationFrame(resolve));
      frames.push(now - last);
      last = now;
    }
    frames.sort((one, other) => one - other);
    return {
      drawn: document.querySelectorAll(".table-body-row").length,
      median: frames[150] ?? 0,
      late: frames[285] ?? 0,
    };
  });
  // A figure to read: how fast it is depends on the machine, how much is drawn does not.
  console.log(
    `100,000 rows: a frame in ${median.toFixed(1)} ms, 95 of 100 within ${late.toFixed(1)} ms, ${drawn} rows drawn`,
  );
  expect(drawn).toBeLessThan(80);
});
