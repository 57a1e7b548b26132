// The one way to the server: typed by `schema.ts`, which `npm run api` makes from openapi/openapi.json.

import createClient from "openapi-fetch";
import { noteAnswer, noteLost } from "./connection";
import { Failure } from "./failure";
import type { components, paths } from "./schema";
import { expire, session } from "./session";

export type Schemas = components["schemas"];

/** How long an answer may take. */
const PATIENCE = 30_000;
/** The same for what waits for workflows, each within the server's own bound, or does much at once. */
const LONG_PATIENCE = 300_000;

const UNREADABLE = "the server answered in a way that cannot be read";

/** The session's cookie goes along by itself. */
export const api = createClient<paths>({
  baseUrl: location.origin,
  credentials: "same-origin",
  fetch: (request) => reach(request, PATIENCE),
});

/** What the call answers, or a [`Failure`] thrown. */
export async function ask<T>(
  call: Promise<{ data?: T; error?: unknown; response: Response }>,
): Promise<NonNullable<T>> {
  let answered: Awaited<typeof call>;
  try {
    answered = await call;
  } catch (error) {
    // What is thrown here without being a Failure is an answer that is no JSON.
    throw isAbort(error) || error instanceof Failure ? error : new Failure("wrong", UNREADABLE);
  }
  const { data, error, response } = answered;
  if (data === undefined || data === null) throw Failure.of(response, error);
  return data;
}

/** The same of a list: a proxy, or a server of another version, may answer anything. */
export async function askList<T extends { data: unknown[] }>(
  call: Promise<{ data?: T; error?: unknown; response: Response }>,
): Promise<T> {
  const list = await ask(call);
  if (Array.isArray((list as { data?: unknown }).data)) return list;
  const { response } = await call;
  const requestId = response.headers.get("x-request-id") ?? undefined;
  throw new Failure("wrong", UNREADABLE, { status: response.status, requestId });
}

/** Reaches the server for a call that may take minutes: its option `fetch`. */
export function reachLong(request: Request): Promise<Response> {
  return reach(request, LONG_PATIENCE);
}

async function reach(request: Request, patience: number): Promise<Response> {
  const { id } = session.get();
  const late = AbortSignal.timeout(patience);
  const signal = AbortSignal.any([request.signal, late]);
  let response: Response;
  try {
    response = await fetch(new Request(request, { signal }));
  } catch (error) {
    if (late.aborted) throw new Failure("slow", "the server did not answer in time");
    if (isAbort(error)) throw error;
    noteLost();
    throw new Failure("offline", "the server cannot be reached");
  }
  noteAnswer();
  if (response.status === 401) expire(id);
  return response;
}

function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === "AbortError";
}
