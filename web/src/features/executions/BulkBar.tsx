import { useQueryClient } from "@tanstack/react-query";
import { Ban, RotateCcw, X } from "lucide-react";
import { useState } from "react";
import type { Schemas } from "../../api/client";
import { cancelExecution, executionsKey, isFinal, retryExecution } from "../../api/executions";
import { useMay } from "../../api/may";
import { executions } from "../../text/executions";
import { Button } from "../../ui/Button";
import { tell } from "../../ui/toast";

const texts = executions.bulk;
/** Calls at a time. */
const AT_ONCE = 4;

/** What can be done to all the executions that are selected. */
export function BulkBar({
  selected,
  onClear,
}: {
  selected: readonly Schemas["ExecutionSummary"][];
  onClear: () => void;
}) {
  const queries = useQueryClient();
  const may = useMay();
  const [progress, setProgress] = useState<string>();
  const ended = selected.filter((row) => isFinal(row.status));
  const open = selected.filter((row) => !isFinal(row.status));
  const forAll = async (
    rows: readonly Schemas["ExecutionSummary"][],
    work: (id: string) => Promise<unknown>,
    done: (amount: number) => string,
  ) => {
    let finished = 0;
    let failed = 0;
    const left = [...rows];
    const next = async () => {
      for (let row = left.shift(); row !== undefined; row = left.shift()) {
        await work(row.id).catch(() => {
          failed += 1;
        });
        finished += 1;
        setProgress(texts.progress(finished, rows.length));
      }
    };
    setProgress(texts.progress(0, rows.length));
    await Promise.all(Array.from({ length: AT_ONCE }, next));
    setProgress(undefined);
    onClear();
    await queries.invalidateQueries({ queryKey: [...executionsKey, "newest"] });
    if (failed < rows.length) tell("done", done(rows.length - failed));
    if (failed > 0) tell("error", texts.failed(failed));
  };
  const mayNot = may("executions:write") ? undefined : texts.mayNot;
  return (
    <section className="bulk" aria-label={texts.label}>
      <span role="status">{progress ?? executions.selected(selected.length)}</span>
      <Button
        size="dense"
        icon={<RotateCcw size={14} aria-hidden />}
        isBusy={progress !== undefined}
        disabledBecause={mayNot ?? (ended.length === 0 ? texts.noneEnded : undefined)}
        onClick={() => void forAll(ended, (id) => retryExecution(id, "start"), texts.retried)}
      >
        {texts.retry}
      </Button>
      <Button
        size="dense"
        icon={<Ban size={14} aria-hidden />}
        isBusy={progress !== undefined}
        disabledBecause={mayNot ?? (open.length === 0 ? texts.noneRunning : undefined)}
        onClick={() => void forAll(open, cancelExecution, texts.cancelled)}
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
    </section>
  );
}
