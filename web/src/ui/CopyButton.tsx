import { Check, Copy } from "lucide-react";
import { kit } from "../text/kit";
import { Button, type ButtonProps } from "./Button";
import { useCopy } from "./useCopy";

/** Copies a text, and says that it has. With `name` the button has no words of its own. */
export function CopyButton({
  text,
  name,
  ...rest
}: { text: string | (() => string); name?: string } & Omit<ButtonProps, "onClick" | "children">) {
  const [isCopied, copy] = useCopy();
  const Icon = isCopied ? Check : Copy;
  return (
    <Button
      kind="quiet"
      size="dense"
      {...rest}
      className={name === undefined ? rest.className : `icon-button ${rest.className ?? ""}`}
      icon={<Icon size={14} aria-hidden />}
      aria-label={name === undefined ? undefined : `${isCopied ? kit.copied : kit.copy}: ${name}`}
      title={name === undefined ? undefined : kit.copy}
      onClick={() => copy(typeof text === "string" ? text : text())}
    >
      {name === undefined && <span aria-live="polite">{isCopied ? kit.copied : kit.copy}</span>}
    </Button>
  );
}
