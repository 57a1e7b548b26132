import { useQueryClient } from "@tanstack/react-query";
import { Ban, ChevronDown, RotateCcw, X } from "lucide-react";
import { useState } from "react";
import { cancelExecutions, retryExecutions, type Selection } from "../../api/bulk";
import type { Schemas } from "../../api/client";
import { type ExecutionFilter, executionsKey, isFinal } from "../../api/executions";
import { asFailure } from "../../api/failure";
import { useMay } from "../../api/may";
import { executions } from "../../text/executions";
import { sentence } from "../../text/text";
import { Button } from "../../ui/Button";
import { Confirm } from "../../ui/Confirm";
import { Menu } from "../../ui/Menu";
import { tell } from "../../ui/toast";

const texts = executions.bulk;

type Work = "start" | "failed" | "cancel";

interface BulkBarProps {
  selected: readonly Schemas["ExecutionSummary"][];
  /** What the list shows. */
  fitting: ExecutionFilter;
  /** All that has been read of the list is selected, and there is more of it. */
  isMore: boolean;
  /** All that fits is meant, beyond what is selected. */
  isWhole: boolean;
  onWhole: () => void;
  onClear: () => void;
}

/** What can be done to all the executions that are selected, or to all that fit the filters. */
export function BulkBar({ selected, fitting, isMore, isWhole, onWhole, onClear }: BulkBarProps) {
  const queries = useQueryClient();
  const may = useMay();
  const [asked, setAsked] = useState<Work>();
  const [progress, setProgress] = useState<number>();
  const filter = isWhole ? fitting : undefined;
  const ended = selected.filter((row) => isFinal(row.status));
  const open = selected.filter((row) => !isFinal(row.status));
  const idsFor = (work: Work) => (work === "cancel" ? open : ended).map((row) => row.id);
  const work = async (what: Work) => {
    const selection: Selection = filter === undefined ? { ids: idsFor(what) } : { filter };
    setProgress(0);
    try {
      const { done, failed } = await (what === "cancel"
        ? cancelExecutions(selection, setProgress)
        : retryExecutions(selection, what, setProgress));
      onClear();
      if (done > 0 || failed.length === 0)
        tell("done", (what === "cancel" ? texts.cancelled : texts.retried)(done));
      if (failed[0] !== undefined) {
        const description = sentence(failed[0].error.message);
        tell("error", texts.failed(failed.length), { description });
      }
    } catch (error) {
      tell("error", texts.wrong, { description: sentence(asFailure(error).message) });
    } finally {
      setProgress(undefined);
      await queries.invalidateQueries({ queryKey: [...executionsKey, "newest"] });
    }
  };
  // Of rows one sees, it is done at once; of more than one sees, after a question.
  const begin = (what: Work) => (filter === undefined ? void work(what) : setAsked(what));
  const isBusy = progress !== undefined;
  const mayNot = may("executions:write") ? undefined : texts.mayNot;
  const noneTo = (rows: readonly unknown[], why: string) =>
    filter === undefined && rows.length === 0 ? why : undefined;
  const cannotRetry = mayNot ?? noneTo(ended, texts.noneEnded);
  const total = filter === undefined ? selected.length : undefined;
  return (
    <section className="bulk" aria-label={texts.label}>
      <span role="status">
        {isBusy
          ? texts.progress(progress, total)
          : filter === undefined
            ? executions.selected(selected.length)
            : texts.whole}
      </span>
      {isMore && !isWhole && (
        <Button kind="quiet" size="dense" onClick={onWhole}>
          {texts.selectWhole}
        </Button>
      )}
      <Menu
        trigger={
          <Button
            size="dense"
            icon={<RotateCcw size={14} aria-hidden />}
            isBusy={isBusy}
            disabledBecause={cannotRetry}
          >
            {texts.retry}
            <ChevronDown size={14} aria-hidden />
          </Button>
        }
        groups={[
          [
            { label: texts.fromFailed, onChoose: () => begin("failed") },
            { label: texts.fromStart, onChoose: () => begin("start") },
          ],
        ]}
      />
      <Button
        size="dense"
        icon={<Ban size={14} aria-hidden />}
        isBusy={isBusy}
        disabledBecause={mayNot ?? noneTo(open, texts.noneRunning)}
        onClick={() => begin("cancel")}
      >
        {texts.cancel}
      </Button>
      <Button
        kind="quiet"
        size="dense"
        className="icon-button"
        aria-label={texts.clear}
        icon={<X size={14} aria-hidden />}
        onClick={onClear}
      />
      {asked !== undefined && (
        <Confirm
          title={asked === "cancel" ? texts.cancelWhole : texts.retryWhole}
          action={asked === "cancel" ? texts.cancelAll : texts.retryAll}
          onConfirm={async () => void work(asked)}
          onClose={() => setAsked(undefined)}
        >
          {asked === "cancel" ? texts.cancelWholeText : texts.retryWholeText}
        </Confirm>
      )}
    </section>
  );
}
