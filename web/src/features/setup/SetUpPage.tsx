import { useQuery } from "@tanstack/react-query";
import { useLocation } from "@tanstack/react-router";
import { type FormEvent, useRef, useState } from "react";
import { authState, setUp } from "../../api/account";
import { asFailure, type Failure } from "../../api/failure";
import { DeadEnd, DoorCard } from "../../shell/DoorCard";
import { NewPassword, passwordProblem } from "../../shell/NewPassword";
import { account } from "../../text/account";
import { sentence } from "../../text/text";
import { Button } from "../../ui/Button";
import { FormError } from "../../ui/ErrorCard";
import { Field } from "../../ui/Field";
import { Input } from "../../ui/Input";

const texts = account.setUp;

/** Makes the owner. The token is in the link's fragment, which never reaches a server's log. */
export default function SetUpPage() {
  const hash = useLocation({ select: (location) => location.hash });
  const token = new URLSearchParams(hash).get("token") ?? "";
  const state = useQuery(authState);
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const [errors, setErrors] = useState<{ email?: string; password?: string; whole?: string }>({});
  const [isBusy, setIsBusy] = useState(false);
  const form = useRef<HTMLFormElement>(null);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    const found: typeof errors = {};
    if (!/^\S+@\S+$/.test(email.trim())) found.email = account.emailWrong;
    const problem = passwordProblem(password);
    if (problem !== undefined) found.password = problem;
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
      setErrors(explain(asFailure(error)));
    } finally {
      setIsBusy(false);
    }
  };
  if (state.data?.has_owner) return <DeadEnd title={texts.taken}>{texts.takenText}</DeadEnd>;
  if (token === "") return <DeadEnd title={texts.noTokenTitle}>{texts.noToken}</DeadEnd>;
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
        <NewPassword password={password} error={errors.password} onChange={setPassword} />
        <FormError message={errors.whole} />
        <Button kind="primary" type="submit" isBusy={isBusy}>
          {texts.button}
        </Button>
      </form>
    </DoorCard>
  );
}

/** The server's words, at the field they are about. */
function explain(failure: Failure): { email?: string; password?: string; whole?: string } {
  if (failure.kind === "offline" || failure.kind === "slow") return { whole: account.unreachable };
  for (const { pointer, message } of failure.problems) {
    if (pointer === "/email") return { email: sentence(message) };
    if (pointer === "/password") return { password: sentence(message) };
  }
  return { whole: sentence(failure.message) };
}
