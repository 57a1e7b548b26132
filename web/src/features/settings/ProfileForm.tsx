import { type FormEvent, useState } from "react";
import { updateMe } from "../../api/account";
import type { Schemas } from "../../api/client";
import { asFailure } from "../../api/failure";
import { account } from "../../text/account";
import { reason } from "../../text/reason";
import { settings as texts } from "../../text/settings";
import { Button } from "../../ui/Button";
import { FormError } from "../../ui/ErrorCard";
import { Field } from "../../ui/Field";
import { Input } from "../../ui/Input";
import { tell } from "../../ui/toast";

/** What one is called, and logs in with. */
export function ProfileForm({ user }: { user: Schemas["User"] }) {
  const [name, setName] = useState(user.name ?? "");
  const [email, setEmail] = useState(user.email);
  const [errors, setErrors] = useState<{ email?: string | undefined; whole?: string }>({});
  const [isBusy, setIsBusy] = useState(false);
  const isChanged = name.trim() !== (user.name ?? "") || email.trim() !== user.email;
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const wrong = /^\S+@\S+$/.test(email.trim()) ? undefined : account.emailWrong;
    setErrors({ email: wrong });
    if (wrong !== undefined) {
      event.currentTarget.querySelector<HTMLElement>("[name=email]")?.focus();
      return;
    }
    setIsBusy(true);
    try {
      const isSame = email.trim() === user.email;
      await updateMe({ name: name.trim(), email: isSame ? undefined : email.trim() });
      tell("done", texts.saved);
    } catch (error) {
      const failure = asFailure(error);
      if (failure.code === "EMAIL_TAKEN") setErrors({ email: texts.emailTaken });
      else setErrors({ whole: reason(failure) });
    } finally {
      setIsBusy(false);
    }
  };
  return (
    <form className="settings-form" noValidate onSubmit={submit}>
      <Field label={texts.name} hint={texts.nameHint}>
        <Input
          name="name"
          autoComplete="name"
          maxLength={200}
          value={name}
          onChange={(event) => setName(event.target.value)}
        />
      </Field>
      <Field label={texts.email} hint={texts.emailHint} error={errors.email}>
        <Input
          name="email"
          type="email"
          autoComplete="email"
          maxLength={254}
          value={email}
          onChange={(event) => setEmail(event.target.value)}
        />
      </Field>
      <FormError message={errors.whole} />
      {isChanged && (
        <Button kind="primary" type="submit" isBusy={isBusy}>
          {texts.save}
        </Button>
      )}
    </form>
  );
}
