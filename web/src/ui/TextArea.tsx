import { Field } from "@base-ui/react/field";
import type { ComponentProps } from "react";
import "./Field.css";
import { useLimit } from "./limit";

/** Some lines of text; with `isCode` in the face of code, and not corrected. */
export function TextArea({
  isCode = false,
  className = "",
  ...rest
}: ComponentProps<"textarea"> & { isCode?: boolean }) {
  const code = isCode ? { spellCheck: false, autoCapitalize: "off", autoCorrect: "off" } : {};
  const pasted = useLimit(rest.value, rest.maxLength);
  return (
    <Field.Control
      render={
        <textarea
          {...code}
          onPaste={pasted}
          {...rest}
          className={`input textarea ${isCode ? "code" : ""} ${className}`}
        />
      }
    />
  );
}
