import { Field } from "@base-ui/react/field";
import type { ComponentProps } from "react";
import "./Field.css";

/** A line of text. Inside a [`Field`] it takes the field's name; alone it needs an `aria-label`. */
export function Input({ className = "", ...rest }: ComponentProps<typeof Field.Control>) {
  return <Field.Control autoComplete="off" {...rest} className={`input ${className}`} />;
}
