import type { ReactNode } from "react";

/** A line of a card: what it is, and how it is. */
export function Fact({ name, hint, children }: { name: string; hint?: string; children: ReactNode }) {
  return (
    <div>
      <dt>
        {name}
        {hint !== undefined && <p className="faint">{hint}</p>}
      </dt>
      <dd>{children}</dd>
    </div>
  );
}
