import { type FormEvent, useState } from "react";
import { changePassword } from "../../api/account";
import { asFailure } from "../../api/failure";
import { NewPassword, passwordProblem } from "../../shell/NewPassword";
import { reason } from "../../text/reason";
import { settings } from "../../text/settings";
import { Button } from "../../ui/Button";
import { FormError } from "../../ui/ErrorCard";
import { Field } from "../../ui/Field";
import { PasswordInput } from "../../ui/PasswordInput";
import { tell } from "../../ui/toast";

const texts = settings.password;

interface Errors {
  current?: string | undefined;
  new?: string | undefined;
  whole?: string | undefined;
}

/** The old password, and the new one. A password manager is told whose it is. */
export function PasswordForm({ email }: { email: string }) {
  const [current, setCurrent] = useState("");
  const [wanted, setWanted] = useState("");
  const [errors, setErrors] = useState<Errors>({});
  const [isBusy, setIsBusy] = useState(false);
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = event.currentTarget;
    const show = (found: Errors) => {
      setErrors(found);
      const first = found.current !== undefined ? "current" : found.new !== undefined ? "new" : undefined;
      if (first !== undefined) form.querySelector<HTMLElement>(`[name=${first}]`)?.focus();
      return first === undefined;
    };
    const missing = current === "" ? texts.currentMissing : undefined;
    if (!show({ current: missing, new: passwordProblem(wanted) })) return;
    setIsBusy(true);
    try {
      await changePassword({ current, new: wanted });
      setCurrent("");
      setWanted("");
      tell("done", texts.changed);
    } catch (error) {
      const failure = asFailure(error);
      if (failure.code === "WRONG_PASSWORD") show({ current: texts.wrong });
      else if (failure.status === 429) show({ whole: texts.tooMany });
      else show({ whole: reason(failure) });
    } finally {
      setIsBusy(false);
    }
  };
  return (
    <form className="settings-form" noValidate onSubmit={submit}>
      <input type="email" autoComplete="username" value={email} readOnly hidden />
      <Field label={texts.current} error={errors.current}>
        <PasswordInput
          name="current"
          autoComplete="current-password"
          maxLength={200}
          value={current}
          onChange={(event) => setCurrent(event.target.value)}
        />
      </Field>
      <NewPassword label={texts.new} name="new" password={wanted} error={errors.new} onChange={setWanted} />
      <FormError message={errors.whole} />
      <div className="settings-do">
        <Button type="submit" isBusy={isBusy}>
          {texts.change}
        </Button>
        <p className="faint">{texts.text}</p>
      </div>
    </form>
  );
}
