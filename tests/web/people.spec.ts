import { addPerson, expect, expectAccessible, logIn, test } from "./flowmatic.js";
import { OWNER } from "./server.js";

test("invites somebody, who joins, and changes what they may do", async ({
  page,
  browser,
  server,
  bears,
}) => {
  bears.push(/409/);
  await page.goto("/workspace/people");
  await expect(page.getByRole("heading", { name: "Nobody else is here yet" })).toBeVisible();
  await expectAccessible(page);
  await page.getByRole("button", { name: "Invite", exact: true }).click();
  await page.getByRole("button", { name: "Make the link" }).click();
  await expect(page.getByLabel("E-mail")).toBeFocused();
  await expect(page.getByLabel("E-mail")).toHaveAccessibleDescription(/no e-mail address/);
  await page.getByLabel("E-mail").fill(OWNER.email);
  await page.getByRole("button", { name: "Make the link" }).click();
  await expect(page.getByLabel("E-mail")).toHaveAccessibleDescription(/is here already/);
  await page.getByLabel("E-mail").fill("bo@example.com");
  await page.getByLabel("Name").fill("Bo <b>bold</b>");
  await expectAccessible(page);
  await page.getByRole("button", { name: "Make the link" }).click();
  const dialog = page.getByRole("dialog", { name: "The link for Bo <b>bold</b>" });
  await expect(dialog).toBeVisible();
  await expectAccessible(page);
  await dialog.getByRole("button", { name: "Copy" }).click();
  const link = await page.evaluate(() => navigator.clipboard.readText());
  expect(link).toContain("/join#token=");
  await dialog.getByRole("button", { name: "Done" }).click();
  await expect(page.getByText("Invited")).toBeVisible();

  const their = await (await browser.newContext({ baseURL: server.url })).newPage();
  await their.goto(link.replace(server.direct, server.url));
  await expect(their.getByRole("heading", { name: "Welcome to Flowmatic" })).toBeVisible();
  await expectAccessible(their);
  await their.getByLabel("Password", { exact: true }).fill("short");
  await their.getByRole("button", { name: "Join" }).click();
  await expect(their.getByLabel("Password", { exact: true })).toBeFocused();
  await their.getByLabel("Password", { exact: true }).fill("another long one");
  await their.keyboard.press("Enter");
  await expect(their.getByRole("heading", { level: 1, name: "Workflows" })).toBeVisible();
  await expect(their.getByText("Bo <b>bold</b>")).toBeVisible();
  await their.goto("/workspace/people");
  await expect(their.getByRole("heading", { name: "Only owners see this" })).toBeVisible();
  await expect(their.getByRole("button", { name: "Invite" })).toHaveAccessibleDescription(/Only owners/);
  await expectAccessible(their);

  await page.reload();
  await page.getByRole("combobox", { name: "Role of Bo <b>bold</b>" }).click();
  await page.getByRole("option", { name: "Viewer" }).click();
  await expect(page.getByText("Bo <b>bold</b> is now a viewer")).toBeVisible();
  await page.getByRole("button", { name: "Undo" }).click();
  await expect(page.getByRole("combobox", { name: "Role of Bo <b>bold</b>" })).toHaveText("Editor");
  await page.getByRole("button", { name: "More for Bo <b>bold</b>" }).press("Enter");
  await page.getByRole("menuitem", { name: "Keep out" }).press("Enter");
  await expect(page.getByRole("row", { name: /Bo/ }).getByText("Kept out")).toBeVisible();
  await page.getByRole("button", { name: "More for Bo <b>bold</b>" }).click();
  await page.getByRole("menuitem", { name: "Delete" }).click();
  await page.getByRole("button", { name: "Delete person" }).click();
  await expect(page.getByRole("heading", { name: "Nobody else is here yet" })).toBeVisible();
  await their.context().close();
});

test("says that the API keys of somebody who goes stay, and leads to them", async ({ page, server }) => {
  await addPerson(server, "owner", "bo@example.com");
  const login = await fetch(`${server.direct}/api/v1/auth/login`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ email: "bo@example.com", password: "a horse of another colour" }),
  });
  const { token } = (await login.json()) as { token: string };
  const made = await fetch(`${server.direct}/api/v1/keys`, {
    method: "POST",
    headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json" },
    body: JSON.stringify({ name: "Bo's script", scopes: ["workflows:read"] }),
  });
  const { key } = (await made.json()) as { key: string };
  await server.api("POST", "/api/v1/keys", { name: "Ana's script", scopes: ["workflows:read"] });
  const call = async () =>
    (await fetch(`${server.direct}/api/v1/workflows`, { headers: { Authorization: `Bearer ${key}` } }))
      .status;

  await page.goto("/workspace/people");
  await page.getByRole("button", { name: "More for bo@example.com" }).click();
  await page.getByRole("menuitem", { name: "Keep out" }).click();
  await expect(page.getByText("The API key they made goes on working.")).toBeVisible();
  expect(await call()).toBe(200);
  await page.getByRole("link", { name: "1 key made by bo@example.com" }).click();
  await expect(page.getByText("Made by bo@example.com")).toBeVisible();
  await expect(page.getByRole("row", { name: /Bo's script/ })).toBeVisible();
  await expect(page.getByRole("row", { name: /Ana's script/ })).toBeHidden();
  await expectAccessible(page);
  await page.getByRole("button", { name: "Show all keys" }).click();
  await expect(page.getByRole("row", { name: /Ana's script/ })).toBeVisible();

  await page.goto("/workspace/people");
  await page.getByRole("button", { name: "More for bo@example.com" }).click();
  await page.getByRole("menuitem", { name: "Delete" }).click();
  const dialog = page.getByRole("dialog");
  await expect(dialog).toContainText("The API key they made goes on working.");
  await expect(dialog.getByRole("link", { name: "See their API keys" })).toBeVisible();
  await expectAccessible(page);
  await page.getByRole("button", { name: "Delete person" }).click();
  await page.getByRole("button", { name: "See their API keys" }).click();
  await expect(page.getByText("Made by somebody who is gone")).toBeVisible();
  expect(await call()).toBe(200);
  await page.getByRole("button", { name: "Delete Bo's script" }).click();
  await page.getByRole("button", { name: "Delete key" }).click();
  await expect(page.getByRole("heading", { name: "This person has no API key left" })).toBeVisible();
  await expectAccessible(page);
  expect(await call()).toBe(401);
});

test("says when the people cannot be had", async ({ page, bears }) => {
  bears.push(/500/);
  await page.route("**/api/v1/users?**", (route) => route.fulfill({ status: 500, body: "<h1>proxy</h1>" }));
  await page.goto("/workspace/people");
  await expect(page.getByRole("alert")).toContainText("not in its own words");
  await expectAccessible(page);
});

test("a link that was used, or is not whole, says so", async ({ page, server, bears }) => {
  bears.push(/403/);
  await page.goto("/join");
  await expect(page.getByRole("heading", { name: "Part of the link is missing" })).toBeVisible();
  await page.goto(`${server.url}/join#token=fi_nothing`);
  await page.getByLabel("Password", { exact: true }).fill("another long one");
  await page.getByRole("button", { name: "Join" }).click();
  await expect(page.getByRole("heading", { name: "This link cannot be used any more" })).toBeVisible();
  await expectAccessible(page);
});

test.describe("as a viewer", () => {
  test.use({ isLoggedIn: false });

  test("what one may not do says why", async ({ page, server }) => {
    await logIn(page, server, await addPerson(server, "viewer"));
    await page.goto("/workspace/api-keys");
    await expect(page.getByRole("heading", { name: "Only owners see this" })).toBeVisible();
    await expect(page.getByRole("button", { name: "New key" })).toHaveAccessibleDescription(/Only owners/);
    await expectAccessible(page);
    await page.goto("/settings");
    await expect(page.getByText("Viewer: may look")).toBeVisible();
    await expect(page.getByText("Folder of its files")).toBeHidden();
    await expectAccessible(page);
  });
});
