import { type FormEvent, useRef, useState } from "react";
import { logIn } from "../../api/account";
import { asFailure } from "../../api/failure";
import { account } from "../../text/account";
import { sentence } from "../../text/text";
import { Button } from "../../ui/Button";
import { FormError } from "../../ui/ErrorCard";
import { Field } from "../../ui/Field";
import { Input } from "../../ui/Input";
import { PasswordInput } from "../../ui/PasswordInput";

const texts = account.logIn;

interface Errors {
  email?: string | undefined;
  password?: string | undefined;
  whole?: string | undefined;
}

/** E-mail and password, for the log-in and for the one over a screen whose session has ended. */
export function LogInForm({ email: known, onDone }: { email?: string | undefined; onDone?: () => void }) {
  const [email, setEmail] = useState(known ?? "");
  const [password, setPassword] = useState("");
  const [errors, setErrors] = useState<Errors>({});
  const [isBusy, setIsBusy] = useState(false);
  const form = useRef<HTMLFormElement>(null);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    const missing = {
      email: email.trim() === "" ? texts.emailMissing : undefined,
      password: password === "" ? texts.passwordMissing : undefined,
    };
    setErrors(missing);
    if (missing.email !== undefined || missing.password !== undefined) {
      form.current
        ?.querySelector<HTMLElement>(`[name=${missing.email === undefined ? "password" : "email"}]`)
        ?.focus();
      return;
    }
    setIsBusy(true);
    try {
      await logIn({ email: email.trim(), password });
      onDone?.();
    } catch (error) {
      setErrors({ whole: explain(error) });
    } finally {
      setIsBusy(false);
    }
  };
  return (
    <form className="door-form" onSubmit={submit} noValidate ref={form}>
      <Field label={account.email} error={errors.email}>
        <Input
          name="email"
          type="email"
          autoComplete="username"
          inputMode="email"
          maxLength={254}
          autoFocus={known === undefined}
          value={email}
          onChange={(event) => setEmail(event.target.value)}
        />
      </Field>
      <Field label={account.password} error={errors.password}>
        <PasswordInput
          name="password"
          autoComplete="current-password"
          maxLength={200}
          autoFocus={known !== undefined}
          value={password}
          onChange={(event) => setPassword(event.target.value)}
        />
      </Field>
      <FormError message={errors.whole} />
      <Button kind="primary" type="submit" isBusy={isBusy}>
        {texts.button}
      </Button>
    </form>
  );
}

function explain(error: unknown): string {
  const failure = asFailure(error);
  if (failure.kind === "offline" || failure.kind === "slow") return account.unreachable;
  if (failure.status === 401) return texts.wrong;
  if (failure.status === 429) return texts.tooMany;
  return sentence(failure.problems[0]?.message ?? failure.message);
}
