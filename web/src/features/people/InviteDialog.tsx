import { type FormEvent, useRef, useState } from "react";
import type { Schemas } from "../../api/client";
import { asFailure } from "../../api/failure";
import { invite } from "../../api/people";
import { account } from "../../text/account";
import { kit } from "../../text/kit";
import { people } from "../../text/people";
import { reason } from "../../text/reason";
import { Button } from "../../ui/Button";
import { Dialog, DialogActions } from "../../ui/Dialog";
import { FormError } from "../../ui/ErrorCard";
import { Field } from "../../ui/Field";
import { Input } from "../../ui/Input";
import { Segments } from "../../ui/Segments";
import { LinkDialog } from "./LinkDialog";

const texts = people.invite;

const ROLES = (["viewer", "editor", "owner"] as const).map((role) => ({
  value: role,
  label: people.roles[role],
}));

/** Who, and what they may do; then their link. */
export function InviteDialog({ onClose }: { onClose: () => void }) {
  const [email, setEmail] = useState("");
  const [name, setName] = useState("");
  const [role, setRole] = useState<Schemas["Role"]>("editor");
  const [errors, setErrors] = useState<{ email?: string | undefined; whole?: string }>({});
  const [isBusy, setIsBusy] = useState(false);
  const [made, setMade] = useState<Schemas["Invitation"]>();
  const first = useRef<HTMLInputElement>(null);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    const wrong = /^\S+@\S+$/.test(email.trim()) ? undefined : account.emailWrong;
    setErrors({ email: wrong });
    if (wrong !== undefined) {
      first.current?.focus();
      return;
    }
    setIsBusy(true);
    try {
      setMade(
        await invite({ email: email.trim(), name: name.trim() === "" ? undefined : name.trim(), role }),
      );
    } catch (error) {
      const failure = asFailure(error);
      if (failure.code === "EMAIL_TAKEN") setErrors({ email: texts.taken });
      else setErrors({ whole: reason(failure) });
    } finally {
      setIsBusy(false);
    }
  };
  if (made !== undefined) return <LinkDialog invitation={made} onClose={onClose} />;
  return (
    <Dialog title={texts.title} isOpen onClose={onClose} first={first}>
      <form className="form" noValidate onSubmit={submit}>
        <Field label={texts.email} hint={texts.emailHint} error={errors.email}>
          <Input
            ref={first}
            name="email"
            type="email"
            autoComplete="off"
            maxLength={254}
            value={email}
            onChange={(event) => setEmail(event.target.value)}
          />
        </Field>
        <Field label={texts.name} isOptional>
          <Input
            name="name"
            autoComplete="off"
            maxLength={200}
            value={name}
            onChange={(event) => setName(event.target.value)}
          />
        </Field>
        <div className="invite-role">
          <span className="field-label">{texts.role}</span>
          <Segments label={texts.role} choices={ROLES} value={role} onChange={setRole} />
          <p className="field-hint" aria-live="polite">
            {people.may[role]}
          </p>
        </div>
        <FormError message={errors.whole} />
        <DialogActions>
          <Button onClick={onClose}>{kit.cancel}</Button>
          <Button kind="primary" type="submit" isBusy={isBusy}>
            {texts.make}
          </Button>
        </DialogActions>
      </form>
    </Dialog>
  );
}
