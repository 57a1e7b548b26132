import type { ReactNode } from "react";
import "./StatusBadge.css";
import "./Chip.css";

/** A word about a thing, such as `Draft`. */
export function Chip({
  tone = "neutral",
  children,
}: {
  tone?: "neutral" | "ok" | "error" | "warning" | "accent";
  children: ReactNode;
}) {
  return <span className={`chip tone-${tone}`}>{children}</span>;
}
