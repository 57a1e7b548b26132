// What every test has: a server, a page that is logged in, and at the end a look at what must never happen.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { test as base, type ConsoleMessage, expect, type Page } from "@playwright/test";
import { type Options, OWNER, Server } from "./server.js";

export { expect };

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

interface Fixtures {
  /** How the server is started: `test.use({ options: { … } })`. */
  options: Options;
  /** Whether the page begins logged in. */
  isLoggedIn: boolean;
  server: Server;
  /** What the browser may say there: a call that the test makes fail. */
  bears: RegExp[];
}

export const test = base.extend<Fixtures>({
  options: [{}, { option: true }],
  isLoggedIn: [true, { option: true }],
  bears: async ({}, use) => use([]),
  server: async ({ options }, use) => {
    const server = await Server.start(options);
    await use(server);
    await server.remove();
  },
  baseURL: async ({ server }, use) => use(server.url),
  page: async ({ page, server, isLoggedIn, bears }, use) => {
    if (isLoggedIn) await logIn(page, server);
    const said: string[] = [];
    const elsewhere: string[] = [];
    page.on("pageerror", (error) => said.push(String(error)));
    page.on("console", (message) => {
      if (isBad(message)) said.push(`${message.text()} ${message.location().url}`);
    });
    page.on("request", (request) => {
      const { protocol, origin } = new URL(request.url());
      if (protocol.startsWith("http") && origin !== server.url && origin !== server.direct)
        elsewhere.push(request.url());
    });
    await use(page);
    expect(elsewhere, "requests to other hosts").toEqual([]);
    expect(
      said.filter((text) => !bears.some((known) => known.test(text))),
      "the console",
    ).toEqual([]);
  },
});

/** Without the form: the session is in the browser's cookie, as after a log-in. */
export async function logIn(page: Page, server: Server, who = OWNER): Promise<void> {
  const answer = await page.request.post(`${server.url}/api/v1/auth/login`, {
    data: { ...who, cookie: true },
  });
  expect(answer.status()).toBe(200);
  await page.addInitScript((email) => {
    // Once: a log-out must hold.
    if (sessionStorage.getItem("begun") !== null) return;
    sessionStorage.setItem("begun", "yes");
    localStorage.setItem("flowmatic.session", JSON.stringify({ id: "test", email }));
  }, who.email);
}

/** Somebody else of the workspace. */
export async function addPerson(server: Server, role: string, email = `${role}@example.com`) {
  const password = "a horse of another colour";
  const { invite_url } = await server.api<{ invite_url: string }>("POST", "/api/v1/users", { email, role });
  const token = new URLSearchParams(new URL(invite_url).hash.slice(1)).get("token");
  const answer = await fetch(`${server.direct}/api/v1/auth/join`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ token, password }),
  });
  expect(answer.status).toBe(201);
  return { email, password };
}

/** On a machine that is busy what is fetched beside the rest may be used later than a browser thinks it should. */
const LATE = /was preloaded using link preload but not used within a few seconds/;

function isBad(message: ConsoleMessage): boolean {
  if (LATE.test(message.text())) return false;
  return message.type() === "error" || message.type() === "warning";
}

/** No rule of axe is broken, in neither theme. */
export async function expectAccessible(page: Page): Promise<void> {
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    await page.evaluate(settled);
    // Evaluated by the browser's tools: the pages' policy lets no script in.
    const violations = await page.evaluate(`${axe};(${violated})()`);
    expect(violations, `axe, ${colorScheme}`).toEqual([]);
  }
}

/** Runs in the page, where axe is. */
async function violated(): Promise<string[]> {
  const { axe } = window as unknown as {
    axe: {
      run(
        context: object,
      ): Promise<{ violations: { id: string; nodes: { target: string[]; failureSummary: string }[] }[] }>;
    };
  };
  // The kit's guards pass the focus on as soon as they have it: they hide nothing that one could reach.
  const { violations } = await axe.run({ exclude: [["[data-base-ui-focus-guard]"]] });
  const found: string[] = [];
  for (const { id, nodes } of violations) {
    for (const { target, failureSummary } of nodes) {
      // A list of choices floats beside the landmarks, tied to the control that opened it.
      const element = id === "region" ? document.querySelector(target.at(-1) ?? "") : null;
      if (element?.closest(".floating") == null) found.push(`${id}: ${target.join(" ")} ${failureSummary}`);
    }
  }
  return found;
}

/** As soon as what moves has come to rest, and colours have changed. */
async function settled(): Promise<void> {
  const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
  await frame();
  await frame();
  const moving = document
    .getAnimations()
    .filter((one) => one.effect?.getTiming().iterations !== Number.POSITIVE_INFINITY);
  await Promise.allSettled(moving.map((one) => one.finished));
  await frame();
}

/** A workflow that answers its webhook with the total, or fails without an amount. */
export const ORDER_INTAKE = {
  name: "Order intake",
  description: "Answers orders",
  active: true,
  graph: {
    nodes: [
      { key: "hook", type: "trigger.webhook", name: "New order", parameters: { methods: ["POST"] } },
      {
        key: "big",
        type: "flow.if",
        name: "Amount over 50?",
        parameters: { condition: "{{gt data.amount 50}}" },
      },
      {
        key: "reply",
        type: "flow.response",
        name: "Answer",
        parameters: { body: { total: "{{data.amount}}" } },
      },
    ],
    edges: [
      { from: "hook", to: "big" },
      { from: "big", port: "true", to: "reply" },
    ],
  },
};

export interface Workflow {
  id: string;
  name: string;
  active: boolean;
  version?: number;
  revision: number;
  graph: unknown;
  triggers: { url?: string; node: string }[];
}

export async function createWorkflow(server: Server, body: object = ORDER_INTAKE): Promise<Workflow> {
  return server.api<Workflow>("POST", "/api/v1/workflows", body);
}

/** Calls a workflow's webhook. */
export async function call(workflow: Workflow, body: unknown): Promise<void> {
  const url = workflow.triggers.find((trigger) => trigger.url !== undefined)?.url;
  if (url === undefined) throw new Error("it has no webhook");
  const response = await fetch(url, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  await response.text();
}
