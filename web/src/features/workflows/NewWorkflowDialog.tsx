import { useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { createWorkflow } from "../../api/workflowChanges";
import { workflowsKey } from "../../api/workflows";
import { reason } from "../../text/reason";
import { workflows } from "../../text/workflows";
import { Button } from "../../ui/Button";
import { Dialog, DialogActions } from "../../ui/Dialog";
import { FormError } from "../../ui/ErrorCard";
import { Field } from "../../ui/Field";
import { Input } from "../../ui/Input";
import { StarterCards } from "./StarterCards";
import { STARTERS, type Starter } from "./starters";

const texts = workflows.create;

/** A name, and what starts it; the rest is made on its own screen. */
export function NewWorkflowDialog({ starter, onClose }: { starter: Starter; onClose: () => void }) {
  const queries = useQueryClient();
  const navigate = useNavigate();
  const [name, setName] = useState("");
  const [starts, setStarts] = useState(starter);
  const [error, setError] = useState<string>();
  const [refusal, setRefusal] = useState<string>();
  const [isBusy, setIsBusy] = useState(false);
  const create = async () => {
    const wanted = name.trim();
    setError(wanted === "" ? texts.nameMissing : undefined);
    if (wanted === "") return;
    setIsBusy(true);
    try {
      const { id } = await createWorkflow({ name: wanted, graph: STARTERS[starts] });
      await queries.invalidateQueries({ queryKey: workflowsKey });
      await navigate({ to: "/workflows/$id", params: { id } });
    } catch (failed) {
      setRefusal(reason(failed));
      setIsBusy(false);
    }
  };
  return (
    <Dialog title={texts.title} isOpen onClose={onClose} size="wide">
      <form
        className="form"
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          void create();
        }}
      >
        <Field label={texts.name} hint={texts.nameHint} error={error}>
          <Input
            value={name}
            maxLength={200}
            placeholder={texts.defaults[starts]}
            onChange={(event) => setName(event.target.value)}
          />
        </Field>
        <StarterCards label={texts.starts} chosen={starts} onChoose={setStarts} />
        <FormError message={refusal} />
        <DialogActions>
          <Button onClick={onClose}>{texts.cancel}</Button>
          <Button kind="primary" type="submit" isBusy={isBusy}>
            {texts.button}
          </Button>
        </DialogActions>
      </form>
    </Dialog>
  );
}
