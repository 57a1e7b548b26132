import { useLocation, useNavigate } from "@tanstack/react-router";
import { type FormEvent, useRef, useState } from "react";
import { join } from "../../api/account";
import { asFailure } from "../../api/failure";
import { useSession } from "../../api/session";
import { DeadEnd, DoorCard } from "../../shell/DoorCard";
import { NewPassword, passwordProblem } from "../../shell/NewPassword";
import { account } from "../../text/account";
import { sentence } from "../../text/text";
import { Button } from "../../ui/Button";
import { FormError } from "../../ui/ErrorCard";
import { Field } from "../../ui/Field";
import { Input } from "../../ui/Input";

const texts = account.join;

/** Takes up an invitation. The token is in the link's fragment, which never reaches a server's log. */
export default function JoinPage() {
  const hash = useLocation({ select: (location) => location.hash });
  const token = new URLSearchParams(hash).get("token") ?? "";
  const navigate = useNavigate();
  const { email } = useSession();
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const [errors, setErrors] = useState<{ password?: string | undefined; whole?: string }>({});
  const [isBusy, setIsBusy] = useState(false);
  const [isSpent, setIsSpent] = useState(false);
  const form = useRef<HTMLFormElement>(null);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    const problem = passwordProblem(password);
    setErrors({ password: problem });
    if (problem !== undefined) {
      form.current?.querySelector<HTMLElement>("[name=password]")?.focus();
      return;
    }
    setIsBusy(true);
    try {
      await join({ token, password, name: name.trim() === "" ? undefined : name.trim() });
      await navigate({ to: "/workflows", replace: true });
    } catch (error) {
      const failure = asFailure(error);
      if (failure.code === "INVALID_LINK") setIsSpent(true);
      else if (failure.kind === "offline" || failure.kind === "slow")
        setErrors({ whole: account.unreachable });
      else setErrors({ whole: sentence(failure.problems[0]?.message ?? failure.message) });
    } finally {
      setIsBusy(false);
    }
  };
  if (isSpent) return <DeadEnd title={texts.spent}>{texts.spentText}</DeadEnd>;
  if (token === "") return <DeadEnd title={texts.noTokenTitle}>{texts.noToken}</DeadEnd>;
  return (
    <DoorCard title={texts.title}>
      <p>{texts.text}</p>
      <form className="door-form" onSubmit={submit} noValidate ref={form}>
        <NewPassword password={password} error={errors.password} onChange={setPassword} autoFocus />
        <Field label={account.name} hint={texts.nameHint} isOptional>
          <Input
            name="name"
            autoComplete="name"
            maxLength={200}
            value={name}
            onChange={(event) => setName(event.target.value)}
          />
        </Field>
        <FormError message={errors.whole} />
        <Button kind="primary" type="submit" isBusy={isBusy}>
          {texts.button}
        </Button>
        {email !== undefined && <p className="door-note">{texts.other(email)}</p>}
      </form>
    </DoorCard>
  );
}
