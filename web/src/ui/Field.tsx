import { Field as Base } from "@base-ui/react/field";
import { type ReactNode, useState } from "react";
import { kit } from "../text/kit";
import "./Field.css";
import { type Limit, LimitContext } from "./limit";

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
  const [limit, setLimit] = useState<Limit>();
  return (
    <Base.Root className="field" invalid={error !== undefined}>
      <Base.Label className="field-label">
        {label}
        {isOptional && <span className="field-optional"> (optional)</span>}
      </Base.Label>
      <LimitContext value={setLimit}>{children}</LimitContext>
      {hint !== undefined && error === undefined && (
        <Base.Description className="field-hint">{hint}</Base.Description>
      )}
      {error !== undefined && (
        <Base.Error match className="field-error">
          {error}
        </Base.Error>
      )}
      <div role="status" className={limit === undefined ? undefined : "field-limit"}>
        {limit !== undefined && (
          <>
            {limit.cut > 0 && <span className="field-cut">{kit.cut(limit.cut, limit.max)} </span>}
            {kit.lengthOf(limit.length, limit.max)}
          </>
        )}
      </div>
    </Base.Root>
  );
}
