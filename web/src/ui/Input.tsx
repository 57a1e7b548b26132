import { Field } from "@base-ui/react/field";
import type { ComponentProps } from "react";
import "./Field.css";
import { useLimit } from "./limit";

/** A line of text. Inside a [`Field`] it takes the field's name; alone it needs an `aria-label`. */
export function Input({ className = "", ...rest }: ComponentProps<typeof Field.Control>) {
  const pasted = useLimit(rest.value, rest.maxLength);
  return <Field.Control autoComplete="off" onPaste={pasted} {...rest} className={`input ${className}`} />;
}
