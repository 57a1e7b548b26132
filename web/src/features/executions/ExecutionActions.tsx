import { useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { Ban, Ellipsis, Link2, RotateCcw, Undo2, Workflow } from "lucide-react";
import { useState } from "react";
import type { Schemas } from "../../api/client";
import { cancelExecution, executionsKey, isFinal, retryExecution } from "../../api/executions";
import { asFailure } from "../../api/failure";
import { useMay } from "../../api/may";
import { restoreWorkflow } from "../../api/workflowChanges";
import { executions } from "../../text/executions";
import { sentence } from "../../text/text";
import { Button } from "../../ui/Button";
import { Menu } from "../../ui/Menu";
import { tell } from "../../ui/toast";
import { useCopy } from "../../ui/useCopy";

const texts = executions.detail;

/** What can be done to an execution. */
export function ExecutionActions({ execution }: { execution: Schemas["Execution"] }) {
  const queries = useQueryClient();
  const navigate = useNavigate();
  const may = useMay();
  const [, copy] = useCopy();
  const [isBusy, setIsBusy] = useState(false);
  const mayNot = may("executions:write") ? undefined : texts.mayNot;
  const hasEnded = isFinal(execution.status);
  const hasFailed = hasEnded && execution.status !== "COMPLETED";
  // One that was cancelled before it began has no step to go on from.
  const from = execution.steps.some((step) => step.status !== "skipped") ? "failed" : "start";
  const attempt = async (title: string, work: () => Promise<void>) => {
    setIsBusy(true);
    try {
      await work();
    } catch (error) {
      tell("error", title, { description: sentence(asFailure(error).message) });
    } finally {
      setIsBusy(false);
    }
  };
  const retry = (from: Schemas["RetryFrom"]) =>
    attempt(texts.retryWrong, async () => {
      const { id } = await retryExecution(execution.id, from);
      await navigate({ to: "/executions/$id", params: { id } });
      tell("done", texts.retried);
    });
  const cancel = () =>
    attempt(texts.cancelWrong, async () => {
      await cancelExecution(execution.id);
      tell("done", texts.cancelled);
      await queries.invalidateQueries({ queryKey: [...executionsKey, "one", execution.id] });
    });
  const restore = () =>
    attempt(texts.restoreWrong, async () => {
      await restoreWorkflow(execution.workflow_id);
      tell("done", texts.restored);
      await queries.invalidateQueries({ queryKey: [...executionsKey, "one", execution.id] });
    });
  return (
    <>
      {!hasEnded && (
        <Button
          icon={<Ban size={14} aria-hidden />}
          isBusy={isBusy}
          disabledBecause={mayNot}
          onClick={() => void cancel()}
        >
          {texts.cancel}
        </Button>
      )}
      {hasFailed && (
        <Button
          kind="primary"
          icon={<RotateCcw size={14} aria-hidden />}
          isBusy={isBusy}
          disabledBecause={mayNot}
          onClick={() => void retry(from)}
        >
          {from === "failed" ? texts.retryFailed : texts.retry}
        </Button>
      )}
      <Menu
        trigger={
          <Button className="icon-button" aria-label={texts.more} icon={<Ellipsis size={16} aria-hidden />} />
        }
        groups={[
          // It is the button where nothing else can be done.
          ...(hasFailed && from === "start"
            ? []
            : [
                [
                  {
                    label: texts.retry,
                    icon: <RotateCcw size={16} aria-hidden />,
                    disabledBecause: mayNot ?? (hasEnded ? undefined : texts.notEnded),
                    onChoose: () => void retry("start"),
                  },
                ],
              ]),
          [
            execution.workflow_deleted
              ? {
                  label: texts.restoreWorkflow,
                  icon: <Undo2 size={16} aria-hidden />,
                  disabledBecause: may("workflows:write") ? undefined : texts.mayNotRestore,
                  onChoose: () => void restore(),
                }
              : {
                  label: texts.openWorkflow,
                  icon: <Workflow size={16} aria-hidden />,
                  onChoose: () =>
                    void navigate({ to: "/workflows/$id", params: { id: execution.workflow_id } }),
                },
            {
              label: texts.copyLink,
              icon: <Link2 size={16} aria-hidden />,
              onChoose: () => void copy(location.href).then(() => tell("done", texts.copied)),
            },
          ],
        ]}
      />
    </>
  );
}
