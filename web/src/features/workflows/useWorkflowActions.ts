import { useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import type { Schemas } from "../../api/client";
import {
  activateWorkflow,
  deactivateWorkflow,
  deleteWorkflow,
  duplicateWorkflow,
  exportWorkflow,
  publishWorkflow,
  restoreWorkflow,
} from "../../api/workflowChanges";
import { workflowsKey } from "../../api/workflows";
import { tellFailure } from "../../shell/tellFailure";
import { workflows as texts } from "../../text/workflows";
import { save } from "../../ui/JsonView";
import { tell } from "../../ui/toast";

type Workflow = Pick<Schemas["WorkflowSummary"], "id" | "name" | "version">;

export const UNDO_TIME = 10_000;

/** What can be done to a workflow, from its row or from its own screen. Each says what came of it. */
export function useWorkflowActions() {
  const queries = useQueryClient();
  const navigate = useNavigate();
  const refresh = () => queries.invalidateQueries({ queryKey: workflowsKey });
  const attempt = async <T>(title: string, work: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await work();
    } catch (error) {
      tellFailure(title, error);
      return undefined;
    }
  };
  const restore = (workflow: Pick<Workflow, "id" | "name">) =>
    attempt(texts.told.failed.restore, async () => {
      await restoreWorkflow(workflow.id);
      await refresh();
      tell("done", texts.told.back(workflow.name));
    });
  return {
    turn: (workflow: Workflow, isOn: boolean) =>
      attempt(isOn ? texts.told.failed.on : texts.told.failed.off, async () => {
        // What was never published can only be switched on as it is drafted.
        const isFirst = isOn && workflow.version === undefined;
        const turn = isFirst ? publishWorkflow : isOn ? activateWorkflow : deactivateWorkflow;
        const turned = await turn(workflow.id);
        const { name, version } = turned;
        await refresh();
        const told = isFirst ? texts.told.published(name, version) : texts.told.on(name, version);
        tell("done", isOn ? told : texts.told.off(name));
        return turned;
      }),
    duplicate: (workflow: Workflow) =>
      attempt(texts.told.failed.duplicate, async () => {
        const copy = await duplicateWorkflow(workflow.id);
        await refresh();
        const open = () => void navigate({ to: "/workflows/$id", params: { id: copy.id } });
        tell("done", texts.told.duplicated(copy.name), { action: { label: texts.told.open, run: open } });
      }),
    export: (workflow: Workflow) =>
      attempt(texts.told.failed.export, async () => {
        const file = await exportWorkflow(workflow.id);
        save(`${fileName(workflow.name)}.json`, JSON.stringify(file, null, 2));
      }),
    restore,
    /** `leave` is called when it is gone: its own screen has nothing to show any more. */
    remove: (workflow: Workflow, leave?: () => Promise<void>) =>
      attempt(texts.told.failed.delete, async () => {
        await deleteWorkflow(workflow.id);
        await leave?.();
        await refresh();
        tell("plain", texts.told.deleted(workflow.name), {
          description: texts.told.deletedWhere,
          lasts: UNDO_TIME,
          action: { label: texts.told.undo, run: () => void restore(workflow) },
        });
      }),
  };
}

/** A name that every file system bears. */
export function fileName(name: string): string {
  const plain = name
    .normalize("NFKD")
    .replace(/[^\p{L}\p{N}]+/gu, "-")
    .replace(/^-+|-+$/g, "");
  return [...plain].slice(0, 60).join("").toLowerCase() || "workflow";
}
