import { useNavigate } from "@tanstack/react-router";
import { Copy, Download, Ellipsis, ExternalLink, Link2, ListChecks, Play, Trash2 } from "lucide-react";
import type { Schemas } from "../../api/client";
import { useMay } from "../../api/may";
import { workflows as texts } from "../../text/workflows";
import { Button } from "../../ui/Button";
import { Menu } from "../../ui/Menu";
import { useCopy } from "../../ui/useCopy";
import { useWorkflowActions } from "./useWorkflowActions";

/** What else can be done to a workflow. */
export function WorkflowMenu({
  workflow,
  onRun,
  isOnItsOwn = false,
}: {
  workflow: Schemas["WorkflowSummary"];
  onRun: () => void;
  /** On the workflow's own screen. */
  isOnItsOwn?: boolean;
}) {
  const navigate = useNavigate();
  const may = useMay();
  const actions = useWorkflowActions();
  const [, copy] = useCopy();
  const write = may("workflows:write") ? undefined : texts.because.mayNotWrite;
  const run = !may("workflows:execute")
    ? texts.because.mayNotRun
    : workflow.version === undefined
      ? texts.because.notPublished
      : undefined;
  const url = workflow.triggers.find((trigger) => trigger.url !== undefined)?.url;
  const items = texts.actions;
  return (
    <Menu
      trigger={
        <Button
          kind={isOnItsOwn ? "default" : "quiet"}
          size={isOnItsOwn ? "normal" : "dense"}
          className="icon-button"
          aria-label={texts.moreFor(workflow.name)}
          icon={<Ellipsis size={16} aria-hidden />}
        />
      }
      groups={[
        [
          { label: items.run, icon: <Play size={16} aria-hidden />, disabledBecause: run, onChoose: onRun },
          {
            label: items.executions,
            icon: <ListChecks size={16} aria-hidden />,
            onChoose: () => void navigate({ to: "/executions", search: { workflow: workflow.id } }),
          },
          ...(isOnItsOwn
            ? []
            : [
                {
                  label: items.open,
                  icon: <ExternalLink size={16} aria-hidden />,
                  onChoose: () => void navigate({ to: "/workflows/$id", params: { id: workflow.id } }),
                },
              ]),
        ],
        [
          ...(url === undefined
            ? []
            : [
                {
                  label: items.copyUrl,
                  icon: <Link2 size={16} aria-hidden />,
                  onChoose: () => void copy(url),
                },
              ]),
          {
            label: items.duplicate,
            icon: <Copy size={16} aria-hidden />,
            disabledBecause: write,
            onChoose: () => void actions.duplicate(workflow),
          },
          {
            label: items.export,
            icon: <Download size={16} aria-hidden />,
            onChoose: () => void actions.export(workflow),
          },
        ],
        [
          {
            label: items.delete,
            icon: <Trash2 size={16} aria-hidden />,
            isDanger: true,
            disabledBecause: write,
            onChoose: () =>
              void actions.remove(workflow, isOnItsOwn ? () => navigate({ to: "/workflows" }) : undefined),
          },
        ],
      ]}
    />
  );
}
