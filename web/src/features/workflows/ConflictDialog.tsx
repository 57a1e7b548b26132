import { useMemo } from "react";
import type { Schemas } from "../../api/client";
import { around, type DiffPart, diffLines } from "../../graph/lineDiff";
import { workflow } from "../../text/workflow";
import { Button } from "../../ui/Button";
import { Dialog, DialogActions } from "../../ui/Dialog";
import { RelativeTime } from "../../ui/RelativeTime";
import { normal, toText } from "./document";
import "./ConflictDialog.css";

const texts = workflow.conflict;

/** So many lines are shown; who has changed more compares them elsewhere. */
const MOST = 2_000;

interface ConflictDialogProps {
  theirs: Schemas["Workflow"];
  /** The id of who looks at it. */
  user: number;
  /** What was typed here. */
  mine: string;
  /** Why what was typed cannot be saved. */
  mayNot: string | undefined;
  isBusy: boolean;
  onMine: () => void;
  onTheirs: () => void;
  onCopy: () => void;
  onClose: () => void;
}

/** Two have edited one workflow: what each has that the other has not, and which of them is to stay. */
export function ConflictDialog(props: ConflictDialogProps) {
  const { theirs, user, mine, mayNot, isBusy, onMine, onTheirs, onCopy, onClose } = props;
  const parts = useMemo(() => around(diffLines(toText(theirs), normal(mine))), [theirs, mine]);
  const by = theirs.updated_by;
  return (
    <Dialog
      title={texts.title}
      description={
        <>
          {texts.saved} <RelativeTime time={theirs.updated_at} />{" "}
          {texts.byWhom(by?.name, by?.type === "user" && by.id === String(user))}
        </>
      }
      isOpen
      onClose={onClose}
      size="wide"
    >
      <p className="diff-legend">
        <span data-kind="before">{texts.onlyTheirs}</span>
        <span data-kind="after">{texts.onlyMine}</span>
      </p>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard */}
      <section className="diff" aria-label={texts.differences} tabIndex={0}>
        <ul>
          {parts.slice(0, MOST).map((part, at) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: lines have no other name, and never move
            <Line key={at} part={part} />
          ))}
          {parts.length > MOST && <li className="diff-hidden">{texts.more(parts.length - MOST)}</li>}
        </ul>
      </section>
      <DialogActions>
        <Button className="diff-copy" kind="quiet" isBusy={isBusy} disabledBecause={mayNot} onClick={onCopy}>
          {texts.copy}
        </Button>
        <Button isBusy={isBusy} onClick={onTheirs}>
          {texts.takeTheirs}
        </Button>
        <Button kind="primary" isBusy={isBusy} disabledBecause={mayNot} onClick={onMine}>
          {texts.saveMine}
        </Button>
      </DialogActions>
    </Dialog>
  );
}

function Line({ part }: { part: DiffPart }) {
  if (part.kind === "hidden") return <li className="diff-hidden">{texts.same(part.count)}</li>;
  const said = { both: "", before: texts.theirs, after: texts.mine }[part.kind];
  return (
    <li data-kind={part.kind}>
      {said !== "" && <span className="unseen">{said} </span>}
      <code>{part.text}</code>
    </li>
  );
}
