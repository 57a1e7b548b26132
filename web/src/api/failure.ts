import type { Schemas } from "./client";

/** What went wrong between the application and the server. */
export type FailureKind =
  /** No answer came. */
  | "offline"
  /** None came in time. */
  | "slow"
  /** An answer that is not what the API's description says. */
  | "wrong"
  /** An error of the API. */
  | "refused";

export class Failure extends Error {
  override readonly name = "Failure";
  readonly status: number | undefined;
  readonly code: string | undefined;
  readonly problems: Schemas["Problem"][];
  readonly requestId: string | undefined;

  constructor(
    readonly kind: FailureKind,
    message: string,
    more: { status?: number; code?: string; problems?: Schemas["Problem"][]; requestId?: string } = {},
  ) {
    super(message);
    this.status = more.status;
    this.code = more.code;
    this.problems = more.problems ?? [];
    this.requestId = more.requestId;
  }

  /** Of an answer that is an error. Its body may be anything: a proxy may have made it. */
  static of(response: Response, body: unknown): Failure {
    const requestId = response.headers.get("x-request-id") ?? undefined;
    const error = (body as Schemas["ErrorBody"] | undefined)?.error;
    if (typeof error?.message !== "string") {
      const message = `the server answered ${response.status}, and not in its own words`;
      return new Failure("wrong", message, { status: response.status, requestId });
    }
    return new Failure("refused", error.message, {
      status: response.status,
      code: error.code,
      problems: error.details ?? [],
      requestId: error.request_id ?? requestId,
    });
  }

  get isNotFound(): boolean {
    return this.status === 404;
  }

  /** Whether the same may pass in a moment. */
  get mayPass(): boolean {
    return this.kind === "slow" || this.status === 429 || (this.status !== undefined && this.status >= 500);
  }
}

export function asFailure(error: unknown): Failure {
  if (error instanceof Failure) return error;
  return new Failure("wrong", error instanceof Error ? error.message : String(error));
}
