// The real binary with data of its own: one a test, so that no test knows of another.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";

export const OWNER = { email: "ana@example.com", password: "correct horse battery" };

const WEB = resolve(import.meta.dirname, "../../web");
const BINARY = process.env.FLOWMATIC_BINARY ?? resolve(import.meta.dirname, "../../target/debug/flowmatic");
const PATIENCE = 30_000;

export interface Options {
  /** Without an owner it prints the link that makes one. */
  hasOwner?: boolean;
  flags?: readonly string[];
}

export class Server {
  private constructor(
    private program: ChildProcess,
    private readonly folder: string,
    private readonly flags: readonly string[],
    /** What the server itself listens on. */
    readonly direct: string,
    /** What the browser opens. */
    readonly url: string,
    /** The one-time link, where there is no owner. */
    readonly link: string | undefined,
    private readonly front: ChildProcess | undefined,
  ) {}

  static async start({ hasOwner = true, flags = [] }: Options = {}): Promise<Server> {
    const folder = await mkdtemp(join(tmpdir(), "flowmatic-web-"));
    const owner = hasOwner ? ["--owner-email", OWNER.email, "--owner-password", OWNER.password] : [];
    const all = [...owner, ...flags];
    const { program, lines } = await run(folder, "127.0.0.1:0", all, hasOwner ? 1 : 2);
    const direct = /http:\S+/.exec(lines[0] ?? "")?.[0] ?? "";
    const printed = hasOwner ? undefined : /http:\S+/.exec(lines[1] ?? "")?.[0];
    // While one works on the application: what Vite has built, before a binary that need not be built anew.
    const front = process.env.FLOWMATIC_WEB_PREVIEW ? await preview(direct) : undefined;
    const url = front?.url ?? direct;
    return new Server(program, folder, all, direct, url, printed?.replace(direct, url), front?.program);
  }

  /** Asks the API as the owner. */
  async api<T = Record<string, unknown>>(method: string, path: string, body?: unknown): Promise<T> {
    const { token } = await this.session();
    const response = await fetch(this.direct + path, {
      method,
      headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const answer = await response.json();
    if (!response.ok) throw new Error(`${method} ${path}: ${JSON.stringify(answer)}`);
    return answer as T;
  }

  private known: { token: string; user: { email: string } } | undefined;

  async session(): Promise<{ token: string; user: { email: string } }> {
    if (this.known === undefined) {
      const response = await fetch(`${this.direct}/api/v1/auth/login`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(OWNER),
      });
      this.known = (await response.json()) as { token: string; user: { email: string } };
    }
    return this.known;
  }

  /** Ends the process; its data and its address stay for `restart`. */
  async stop(): Promise<void> {
    await end(this.program);
  }

  async restart(): Promise<void> {
    const { program } = await run(this.folder, new URL(this.direct).host, this.flags, 1);
    this.program = program;
  }

  async remove(): Promise<void> {
    if (this.front !== undefined) await end(this.front);
    await end(this.program);
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** Starts the binary, and waits for so many lines that begin with an address. */
async function run(folder: string, listen: string, flags: readonly string[], wanted: number) {
  const program = spawn(BINARY, ["--listen", listen, "--data-dir", folder, "--log", "warn", ...flags], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  return { program, lines: await readLines(program, wanted) };
}

async function preview(server: string): Promise<{ program: ChildProcess; url: string }> {
  const program = spawn(
    process.execPath,
    ["node_modules/vite/bin/vite.js", "preview", "--host", "127.0.0.1", "--port", "0"],
    {
      cwd: WEB,
      stdio: ["ignore", "pipe", "inherit"],
      env: { ...process.env, FLOWMATIC_URL: server, NO_COLOR: "1" },
    },
  );
  const [line = ""] = await readLines(program, 1);
  return { program, url: (/http:\S+/.exec(line)?.[0] ?? "").replace(/\/$/, "") };
}

/** The development server, for the kit's page. */
export async function startKit(): Promise<{ url: string; stop: () => Promise<void> }> {
  const program = spawn(
    process.execPath,
    ["node_modules/vite/bin/vite.js", "--host", "127.0.0.1", "--port", "0"],
    {
      cwd: WEB,
      stdio: ["ignore", "pipe", "inherit"],
      env: { ...process.env, NO_COLOR: "1" },
    },
  );
  const [line = ""] = await readLines(program, 1);
  return { url: `${/http:\S+/.exec(line)?.[0]}kit.html`, stop: () => end(program) };
}

async function readLines(program: ChildProcess, wanted: number): Promise<string[]> {
  if (program.stdout === null) throw new Error("its output is not read");
  const lines: string[] = [];
  const reader = createInterface(program.stdout);
  const late = setTimeout(() => reader.close(), PATIENCE);
  for await (const line of reader) {
    if (line.includes("http://")) lines.push(line);
    if (lines.length === wanted) break;
  }
  clearTimeout(late);
  if (lines.length < wanted) throw new Error(`the program did not start: ${lines.join("\n")}`);
  // What it prints later must not fill the pipe.
  program.stdout.resume();
  return lines;
}

async function end(program: ChildProcess): Promise<void> {
  if (program.exitCode !== null || program.signalCode !== null) return;
  const ended = once(program, "exit");
  program.kill("SIGKILL");
  await ended;
}
