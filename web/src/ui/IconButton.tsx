import type { ReactElement } from "react";
import { Button, type ButtonProps } from "./Button";
import { Tooltip } from "./Tooltip";

export interface IconButtonProps extends Omit<ButtonProps, "icon" | "children" | "title"> {
  /** What it does: read aloud, and shown when it is pointed at. */
  label: string;
  icon: ReactElement;
  /** The keys that do the same. */
  keys?: string;
}

export function IconButton({ label, icon, keys, kind = "quiet", className = "", ...rest }: IconButtonProps) {
  return (
    <Tooltip label={rest.disabledBecause ?? label} keys={keys}>
      <Button {...rest} kind={kind} className={`icon-button ${className}`} aria-label={label} icon={icon} />
    </Tooltip>
  );
}
