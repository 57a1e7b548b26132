import type { ComponentProps, ReactNode } from "react";
import { useId } from "react";
import "./Button.css";

export interface ButtonProps extends Omit<ComponentProps<"button">, "disabled"> {
  /** One primary button a screen. */
  kind?: "primary" | "default" | "quiet" | "danger";
  size?: "normal" | "dense";
  icon?: ReactNode;
  /** Work is under way: it cannot be pressed again. */
  isBusy?: boolean;
  /** Why it cannot be pressed now. It stays reachable, and says so. */
  disabledBecause?: string | undefined;
}

/** What is pressed to do something. What leads somewhere is a link, with [`buttonClass`]. */
export function Button({
  kind = "default",
  size = "normal",
  icon,
  isBusy = false,
  disabledBecause,
  children,
  onClick,
  className,
  type = "button",
  ...rest
}: ButtonProps) {
  const why = useId();
  const isOff = disabledBecause !== undefined;
  return (
    <>
      <button
        {...rest}
        type={type}
        className={buttonClass(kind, size, className)}
        aria-disabled={isOff || isBusy || undefined}
        aria-busy={isBusy || undefined}
        aria-describedby={isOff ? why : rest["aria-describedby"]}
        title={disabledBecause ?? rest.title}
        onClick={(event) => {
          if (isOff || isBusy) event.preventDefault();
          else onClick?.(event);
        }}
      >
        {isBusy ? <span className="button-busy turning" aria-hidden /> : icon}
        {children}
      </button>
      {isOff && (
        <span className="unseen" id={why}>
          {disabledBecause}
        </span>
      )}
    </>
  );
}

export function buttonClass(
  kind: NonNullable<ButtonProps["kind"]> = "default",
  size: NonNullable<ButtonProps["size"]> = "normal",
  more = "",
): string {
  return `button button-${kind} button-${size} ${more}`.trim();
}
