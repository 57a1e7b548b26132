import { useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import type { Schemas } from "../../api/client";
import { createKey, keysKey } from "../../api/keys";
import { keys } from "../../text/keys";
import { kit } from "../../text/kit";
import { reason } from "../../text/reason";
import { Button } from "../../ui/Button";
import { CodeBlock } from "../../ui/CodeBlock";
import { CopyField } from "../../ui/CopyField";
import { Dialog, DialogActions } from "../../ui/Dialog";
import { FormError } from "../../ui/ErrorCard";
import { Field } from "../../ui/Field";
import { Input } from "../../ui/Input";
import { Select } from "../../ui/Select";
import { ScopeChoice } from "./ScopeChoice";

const texts = keys.create;

type Lifetime = keyof typeof keys.lifetimes;

const DAYS: Record<Lifetime, number | undefined> = { never: undefined, month: 30, quarter: 90, year: 365 };
const LIFETIMES = (Object.keys(DAYS) as Lifetime[]).map((value) => ({ value, label: keys.lifetimes[value] }));
const DAY = 24 * 3_600_000;

/** A name and what the key may do; then the key, this once. */
export function NewKeyDialog({ onClose }: { onClose: () => void }) {
  const queries = useQueryClient();
  const [name, setName] = useState("");
  const [scopes, setScopes] = useState<readonly Schemas["Scope"][]>(["workflows:read", "workflows:execute"]);
  const [lifetime, setLifetime] = useState<Lifetime>("never");
  const [errors, setErrors] = useState<{ name?: string | undefined; whole?: string | undefined }>({});
  const [isBusy, setIsBusy] = useState(false);
  const [made, setMade] = useState<string>();
  const create = async (event: FormEvent) => {
    event.preventDefault();
    const wanted = name.trim();
    const found = {
      name: wanted === "" ? texts.nameMissing : undefined,
      whole: scopes.length === 0 ? texts.scopeMissing : undefined,
    };
    setErrors(found);
    if (found.name !== undefined || found.whole !== undefined) return;
    setIsBusy(true);
    try {
      const { key } = await createKey({ name: wanted, scopes: [...scopes], expires_at: endOf(lifetime) });
      setMade(key);
      await queries.invalidateQueries({ queryKey: keysKey });
    } catch (error) {
      setErrors({ whole: reason(error) });
    } finally {
      setIsBusy(false);
    }
  };
  if (made !== undefined) {
    return (
      // No way out but the button: a key that was not copied is lost.
      <Dialog title={keys.made.title} description={keys.made.text} isOpen>
        <div className="form">
          <CopyField label={keys.made.key} value={made} />
          <CodeBlock
            label={keys.made.curl}
            code={`curl '${location.origin}/api/v1/workflows' -H 'Authorization: Bearer ${made}'`}
          />
          <DialogActions>
            <Button kind="primary" onClick={onClose}>
              {keys.made.done}
            </Button>
          </DialogActions>
        </div>
      </Dialog>
    );
  }
  return (
    <Dialog title={texts.title} isOpen onClose={onClose} size="wide">
      <form className="form" noValidate onSubmit={create}>
        <div className="key-facts">
          <Field label={texts.name} hint={texts.nameHint} error={errors.name}>
            <Input value={name} maxLength={200} onChange={(event) => setName(event.target.value)} />
          </Field>
          <Field label={texts.expires} hint={texts.expiresHint}>
            <Select choices={LIFETIMES} value={lifetime} onChange={setLifetime} />
          </Field>
        </div>
        <ScopeChoice chosen={scopes} onChange={setScopes} />
        <FormError message={errors.whole} />
        <DialogActions>
          <Button onClick={onClose}>{kit.cancel}</Button>
          <Button kind="primary" type="submit" isBusy={isBusy}>
            {texts.button}
          </Button>
        </DialogActions>
      </form>
    </Dialog>
  );
}

function endOf(lifetime: Lifetime): string | undefined {
  const days = DAYS[lifetime];
  return days === undefined ? undefined : new Date(Date.now() + days * DAY).toISOString();
}
