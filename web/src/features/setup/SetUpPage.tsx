import { Link, useLocation } from "@tanstack/react-router";
import { type FormEvent, useRef, useState } from "react";
import { setUp } from "../../api/account";
import { asFailure } from "../../api/failure";
import { DoorCard } from "../../shell/DoorCard";
import { account } from "../../text/account";
import { sentence } from "../../text/text";
import { Button, buttonClass } from "../../ui/Button";
import { FormError } from "../../ui/ErrorCard";
import { Field } from "../../ui/Field";
import { Input } from "../../ui/Input";
import { PasswordInput } from "../../ui/PasswordInput";
import { SHORTEST, strength } from "./strength";

const texts = account.setUp;

/** Makes the owner. The token is in the link's fragment, which never reaches a server's log. */
export default function SetUpPage() {
  const hash = useLocation({ select: (location) => location.hash });
  const token = new URLSearchParams(hash).get("token") ?? "";
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const [errors, setErrors] = useState<{ email?: string; password?: string; whole?: string }>({});
  const [isBusy, setIsBusy] = useState(false);
  const [isTaken, setIsTaken] = useState(false);
  const form = useRef<HTMLFormElement>(null);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    const found: typeof errors = {};
    if (!/^\S+@\S+$/.test(email.trim())) found.email = texts.emailWrong;
    // The server counts characters, not the halves of them that a string has.
    const length = [...password].length;
    if (length < SHORTEST) found.password = texts.passwordShort(SHORTEST - length);
    setErrors(found);
    const first = found.email !== undefined ? "email" : found.password !== undefined ? "password" : undefined;
    if (first !== undefined) {
      form.current?.querySelector<HTMLElement>(`[name=${first}]`)?.focus();
      return;
    }
    setIsBusy(true);
    try {
      await setUp({ token, email: email.trim(), password });
    } catch (error) {
      const failure = asFailure(error);
      if (failure.status === 409) setIsTaken(true);
      else setErrors(explain(failure));
    } finally {
      setIsBusy(false);
    }
  };
  if (isTaken || token === "") {
    return (
      <DoorCard title={isTaken ? texts.taken : texts.noTokenTitle}>
        <p>{isTaken ? texts.takenText : texts.noToken}</p>
        <div className="door-form">
          <Link to="/login" className={buttonClass("primary")}>
            {texts.toLogIn}
          </Link>
        </div>
      </DoorCard>
    );
  }
  return (
    <DoorCard title={texts.title}>
      <p>{texts.text}</p>
      <form className="door-form" onSubmit={submit} noValidate ref={form}>
        <Field label={account.email} error={errors.email}>
          <Input
            name="email"
            type="email"
            autoComplete="username"
            maxLength={254}
            autoFocus
            value={email}
            onChange={(event) => setEmail(event.target.value)}
          />
        </Field>
        <div>
          <Field label={account.password} hint={texts.passwordHint} error={errors.password}>
            <PasswordInput
              name="password"
              autoComplete="new-password"
              maxLength={200}
              value={password}
              onChange={(event) => setPassword(event.target.value)}
            />
          </Field>
          <Strength password={password} />
        </div>
        <FormError message={errors.whole} />
        <Button kind="primary" type="submit" isBusy={isBusy}>
          {texts.button}
        </Button>
      </form>
    </DoorCard>
  );
}

function Strength({ password }: { password: string }) {
  const points = strength(password);
  return (
    <p className="strength" aria-live="polite">
      {password !== "" && (
        <>
          <span className="strength-bars" aria-hidden data-weak={points < 2 || undefined}>
            {texts.strength.map((name, at) => (
              <span key={name} data-full={at <= points || undefined} />
            ))}
          </span>
          {texts.strength[points]}
        </>
      )}
    </p>
  );
}

/** The server's words, at the field they are about. */
function explain(failure: ReturnType<typeof asFailure>): {
  email?: string;
  password?: string;
  whole?: string;
} {
  if (failure.kind === "offline" || failure.kind === "slow") return { whole: account.unreachable };
  for (const { pointer, message } of failure.problems) {
    if (pointer === "/email") return { email: sentence(message) };
    if (pointer === "/password") return { password: sentence(message) };
  }
  return { whole: sentence(failure.message) };
}
