// What is being done to many executions. It goes on, and can be stopped, whatever screen one is on.

import { cancelExecutions, type Progress, retryExecutions, type Selection } from "../../api/bulk";
import { executionsKey } from "../../api/executions";
import { asFailure } from "../../api/failure";
import { queries } from "../../api/queries";
import { session } from "../../api/session";
import { store } from "../../api/store";
import { executions } from "../../text/executions";
import { sentence } from "../../text/text";
import { tell } from "../../ui/toast";
import { deselect, NOTHING, selection } from "./selection";

const texts = executions.bulk;

export type Work = "start" | "failed" | "cancel";

export interface BulkWork extends Progress {
  what: Work;
  /** Missing where all that fit are meant: how many they are is not known. */
  total: number | undefined;
  isStopping: boolean;
  stop: () => void;
}

export const bulkWork = store<BulkWork | undefined>(undefined);

/** Does it to all that are meant; what it was done with is not selected any more. One such work at a time. */
export async function work(what: Work, meant: Selection): Promise<void> {
  if (bulkWork.get() !== undefined) return;
  const { selected } = selection.get();
  const end = new AbortController();
  const change = (by: Partial<BulkWork>) => {
    const now = bulkWork.get();
    if (now !== undefined) bulkWork.set({ ...now, ...by });
  };
  const stop = () => {
    end.abort();
    change({ isStopping: true });
  };
  const total = "ids" in meant ? meant.ids.length : undefined;
  bulkWork.set({ what, total, done: 0, failed: 0, reason: undefined, isStopping: false, stop });
  addEventListener("beforeunload", ask);
  const watching = { onProgress: change, signal: end.signal };
  const outcome = await (what === "cancel"
    ? cancelExecutions(meant, watching)
    : retryExecutions(meant, what, watching));
  removeEventListener("beforeunload", ask);
  bulkWork.set(undefined);
  if (outcome.end === "all") deselect(selected);
  // Of all that fit, those that are left are meant by the same selection.
  else if ("ids" in meant) deselect(outcome.answered);
  const { done, failed, reason } = outcome;
  const became = (what === "cancel" ? texts.cancelled : texts.retried)(done);
  const refused = failed === 0 ? "" : `${texts.failed(failed)}. ${sentence(reason ?? "")}`;
  if (outcome.end === "failed") {
    const why = sentence(asFailure(outcome.error).message);
    const before = done + failed === 0 ? "" : `${became}. ${refused} ${texts.restSelected}`;
    tell("error", texts.wrong, { description: `${why} ${before}`.trim() });
  } else if (outcome.end === "stopped") {
    tell("plain", texts.stopped(became), { description: `${refused} ${texts.restSelected}`.trim() });
  } else {
    if (done > 0 || failed === 0) tell("done", became);
    if (failed > 0) tell("error", texts.failed(failed), { description: sentence(reason ?? "") });
  }
  await queries.invalidateQueries({ queryKey: [...executionsKey, "newest"] });
}

let person = session.get().user;
session.subscribe(() => {
  const { user } = session.get();
  const before = person;
  person = user;
  // Who it is may be learned after the page is shown.
  if (before === undefined || user === before) return;
  // What one has selected and begun is not another's.
  bulkWork.get()?.stop();
  selection.set(NOTHING);
});

/** The rest would not be done by a page that is gone. */
function ask(event: BeforeUnloadEvent): void {
  event.preventDefault();
}
