import { Field as Base } from "@base-ui/react/field";
import type { ReactNode } from "react";
import "./Field.css";

export interface FieldProps {
  label: string;
  /** What to enter, where the label does not say it. */
  hint?: ReactNode;
  /** What is wrong, and how to mend it. */
  error?: string | undefined;
  isOptional?: boolean;
  children: ReactNode;
}

/** A control with its name, its help and its error, all of them tied to it. The control is an [`Input`] or the like. */
export function Field({ label, hint, error, isOptional = false, children }: FieldProps) {
  return (
    <Base.Root className="field" invalid={error !== undefined}>
      <Base.Label className="field-label">
        {label}
        {isOptional && <span className="field-optional"> (optional)</span>}
      </Base.Label>
      {children}
      {hint !== undefined && error === undefined && (
        <Base.Description className="field-hint">{hint}</Base.Description>
      )}
      {error !== undefined && (
        <Base.Error match className="field-error">
          {error}
        </Base.Error>
      )}
    </Base.Root>
  );
}
