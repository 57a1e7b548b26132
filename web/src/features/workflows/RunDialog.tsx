import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { Play } from "lucide-react";
import { useState } from "react";
import type { Schemas } from "../../api/client";
import { executeWorkflow } from "../../api/workflowChanges";
import { versionOf } from "../../api/workflows";
import { reason } from "../../text/reason";
import { workflows } from "../../text/workflows";
import { Button } from "../../ui/Button";
import { Dialog, DialogActions } from "../../ui/Dialog";
import { FormError } from "../../ui/ErrorCard";
import { Field } from "../../ui/Field";
import { TextArea } from "../../ui/TextArea";
import { tell } from "../../ui/toast";
import { useOnce } from "../../ui/useOnce";

const texts = workflows.run;

/** Starts a workflow by hand, with an input. */
export function RunDialog({
  workflow,
  onClose,
}: {
  workflow: Schemas["WorkflowSummary"];
  onClose: () => void;
}) {
  const navigate = useNavigate();
  const { version } = workflow;
  const running = useQuery({ ...versionOf(workflow.id, version ?? 0), enabled: version !== undefined });
  const [typed, setInput] = useState<string>();
  const input = typed ?? sampleInput(running.data?.graph);
  const [error, setError] = useState<string>();
  const [refusal, setRefusal] = useState<string>();
  const [isBusy, once] = useOnce();
  const run = async () => {
    const object = parseObject(input);
    setError(object === undefined ? texts.notObject : undefined);
    if (object === undefined) return;
    try {
      const { id } = await executeWorkflow(workflow.id, object);
      onClose();
      const open = () => void navigate({ to: "/executions/$id", params: { id } });
      tell("done", workflows.told.started(workflow.name), {
        action: { label: workflows.told.open, run: open },
      });
    } catch (failed) {
      setRefusal(reason(failed));
    }
  };
  return (
    <Dialog title={texts.title(workflow.name)} description={texts.text} isOpen onClose={onClose}>
      <form
        className="form"
        onSubmit={(event) => {
          event.preventDefault();
          void once(run);
        }}
      >
        <Field label={texts.input} hint={texts.inputHint} error={error}>
          <TextArea
            isCode
            rows={6}
            value={input}
            onChange={(event) => setInput(event.target.value)}
            onKeyDown={(event) => {
              if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) void once(run);
            }}
          />
        </Field>
        <FormError message={refusal} />
        <DialogActions>
          <Button onClick={onClose}>{texts.cancel}</Button>
          <Button kind="primary" type="submit" isBusy={isBusy} icon={<Play size={14} aria-hidden />}>
            {texts.button}
          </Button>
        </DialogActions>
      </form>
    </Dialog>
  );
}

/** The input that the workflow's manual trigger describes, to be filled in. */
export function sampleInput(graph: Schemas["Graph"] | undefined): string {
  const manual = graph?.nodes.find((node) => node.type === "trigger.manual");
  const schema = (manual?.parameters as { input?: { properties?: unknown } } | undefined)?.input;
  const fields = Object.entries((schema?.properties ?? {}) as Record<string, FieldSchema | null>);
  const sample = Object.fromEntries(fields.map(([name, field]) => [name, sampleOf(field ?? {})]));
  return JSON.stringify(sample, null, 2);
}

interface FieldSchema {
  type?: unknown;
  default?: unknown;
  enum?: unknown[];
}

const EMPTY: Record<string, unknown> = {
  string: "",
  number: 0,
  integer: 0,
  boolean: false,
  array: [],
  object: {},
};

function sampleOf({ type, default: given, enum: words }: FieldSchema): unknown {
  return given ?? words?.[0] ?? EMPTY[String(type)] ?? null;
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text.trim() === "" ? "{}" : text);
    const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
    return isObject ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
