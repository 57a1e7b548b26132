import { useNavigate } from "@tanstack/react-router";
import { Play } from "lucide-react";
import { useState } from "react";
import type { Schemas } from "../../api/client";
import { executeWorkflow } from "../../api/workflowChanges";
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
  const [input, setInput] = useState("{}");
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

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text.trim() === "" ? "{}" : text);
    const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
    return isObject ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
