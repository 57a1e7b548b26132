import { asFailure } from "../api/failure";
import { sentence } from "./text";

/** Why something did not work, for a form or a message; nothing where the session has ended: the log-in over the screen
 *  says so, and what was asked for can be asked for again after it. */
export function reason(error: unknown): string | undefined {
  const failure = asFailure(error);
  if (failure.status === 401) return undefined;
  const [first, ...others] = failure.problems;
  // A server's message names the place of its only mistake, which means nothing to who filled in a form.
  return sentence(first !== undefined && others.length === 0 ? first.message : failure.message);
}
