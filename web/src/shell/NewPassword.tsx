import { account } from "../text/account";
import { Field } from "../ui/Field";
import { PasswordInput } from "../ui/PasswordInput";
import "./NewPassword.css";
import { SHORTEST, strength } from "./strength";

const texts = account.newPassword;

/** What is wrong with a password that is to be chosen. */
export function passwordProblem(password: string): string | undefined {
  // The server counts characters, not the halves of them that a string has.
  const length = [...password].length;
  return length < SHORTEST ? texts.short(SHORTEST - length) : undefined;
}

/** A password that is being chosen, and how strong it is. */
export function NewPassword({
  label = account.password,
  name = "password",
  password,
  error,
  autoFocus = false,
  onChange,
}: {
  label?: string;
  name?: string;
  password: string;
  error: string | undefined;
  autoFocus?: boolean;
  onChange: (password: string) => void;
}) {
  const points = strength(password);
  return (
    <div>
      <Field label={label} hint={texts.hint} error={error}>
        <PasswordInput
          name={name}
          autoComplete="new-password"
          maxLength={200}
          autoFocus={autoFocus}
          value={password}
          onChange={(event) => onChange(event.target.value)}
        />
      </Field>
      <p className="strength" aria-live="polite">
        {password !== "" && (
          <>
            <span className="strength-bars" aria-hidden data-weak={points < 2 || undefined}>
              {texts.strength.map((one, at) => (
                <span key={one} data-full={at <= points || undefined} />
              ))}
            </span>
            {texts.strength[points]}
          </>
        )}
      </p>
    </div>
  );
}
