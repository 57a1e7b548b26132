import { Eye, EyeOff } from "lucide-react";
import { type ComponentProps, useState } from "react";
import { kit } from "../text/kit";
import { Input } from "./Input";

/** A password, which may be looked at: it is typed right more often than it is spied on. */
export function PasswordInput(props: ComponentProps<typeof Input>) {
  const [isShown, setIsShown] = useState(false);
  const Icon = isShown ? EyeOff : Eye;
  return (
    <div className="input-with-button">
      <Input {...props} type={isShown ? "text" : "password"} spellCheck={false} autoCapitalize="off" />
      <button
        type="button"
        className="input-button"
        aria-label={kit.showPassword}
        aria-pressed={isShown}
        onClick={() => setIsShown(!isShown)}
      >
        <Icon size={16} aria-hidden />
      </button>
    </div>
  );
}
