import { reason } from "../text/reason";
import { tell } from "../ui/toast";

/** Says what did not work, and why, unless the log-in over the screen says it. */
export function tellFailure(title: string, error: unknown): void {
  const description = reason(error);
  if (description !== undefined) tell("error", title, { description });
}
