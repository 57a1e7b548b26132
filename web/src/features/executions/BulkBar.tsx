import { Ban, ChevronDown, RotateCcw, Square, X } from "lucide-react";
import { useState } from "react";
import type { Schemas } from "../../api/client";
import { type ExecutionFilter, isFinal } from "../../api/executions";
import { useMay } from "../../api/may";
import { executions } from "../../text/executions";
import { Button } from "../../ui/Button";
import { Confirm } from "../../ui/Confirm";
import { Menu } from "../../ui/Menu";
import { type BulkWork, type Work, work } from "./bulkWork";

const texts = executions.bulk;

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

/** How far the work has come that is done to many. */
export function BulkProgress({ work }: { work: BulkWork }) {
  const { what, done, failed, total, isStopping, stop } = work;
  return (
    <section className="bulk" aria-label={texts.under}>
      <span role="status">
        {isStopping ? texts.stopping : texts.progress(what === "cancel", done + failed, total)}
      </span>
      {total === undefined ? (
        <span className="bulk-busy turning" aria-hidden />
      ) : (
        <progress className="bulk-progress" aria-label={texts.under} value={done + failed} max={total} />
      )}
      <Button
        size="dense"
        icon={<Square size={12} aria-hidden />}
        disabledBecause={isStopping ? texts.stopping : undefined}
        onClick={stop}
      >
        {texts.stop}
      </Button>
    </section>
  );
}

/** What can be done to all the executions that are selected, or to all that fit the filters. */
export function BulkBar({ selected, fitting, isMore, isWhole, onWhole, onClear }: BulkBarProps) {
  const may = useMay();
  const [asked, setAsked] = useState<Work>();
  const filter = isWhole ? fitting : undefined;
  const ended = selected.filter((row) => isFinal(row.status));
  const open = selected.filter((row) => !isFinal(row.status));
  const idsFor = (work: Work) => (work === "cancel" ? open : ended).map((row) => row.id);
  const begin = (what: Work) => void work(what, filter === undefined ? { ids: idsFor(what) } : { filter });
  // What cannot be taken back of many, and what is done to more than one sees, after a question.
  const needsQuestion = (what: Work) =>
    filter !== undefined || (what === "cancel" && idsFor(what).length > 1);
  const choose = (what: Work) => (needsQuestion(what) ? setAsked(what) : begin(what));
  const mayNot = may("executions:write") ? undefined : texts.mayNot;
  const noneTo = (rows: readonly unknown[], why: string) =>
    filter === undefined && rows.length === 0 ? why : undefined;
  const cannotRetry = mayNot ?? noneTo(ended, texts.noneEnded);
  return (
    <section className="bulk" aria-label={texts.label}>
      <span role="status">{filter === undefined ? executions.selected(selected.length) : texts.whole}</span>
      {isMore && !isWhole && (
        <Button kind="quiet" size="dense" onClick={onWhole}>
          {texts.selectWhole}
        </Button>
      )}
      <Menu
        trigger={
          <Button size="dense" icon={<RotateCcw size={14} aria-hidden />} disabledBecause={cannotRetry}>
            {texts.retry}
            <ChevronDown size={14} aria-hidden />
          </Button>
        }
        groups={[
          [
            { label: texts.fromFailed, onChoose: () => choose("failed") },
            { label: texts.fromStart, onChoose: () => choose("start") },
          ],
        ]}
      />
      <Button
        size="dense"
        icon={<Ban size={14} aria-hidden />}
        disabledBecause={mayNot ?? noneTo(open, texts.noneRunning)}
        onClick={() => choose("cancel")}
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
          title={
            filter === undefined
              ? texts.cancelSome(open.length)
              : asked === "cancel"
                ? texts.cancelWhole
                : texts.retryWhole
          }
          action={
            asked !== "cancel" ? texts.retryAll : filter === undefined ? texts.cancelThem : texts.cancelAll
          }
          onConfirm={async () => begin(asked)}
          onClose={() => setAsked(undefined)}
        >
          {filter === undefined
            ? texts.cancelSomeText
            : asked === "cancel"
              ? texts.cancelWholeText
              : texts.retryWholeText}
        </Confirm>
      )}
    </section>
  );
}
