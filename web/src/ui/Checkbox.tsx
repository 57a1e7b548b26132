import { Checkbox as Base } from "@base-ui/react/checkbox";
import { Check, Minus } from "lucide-react";
import "./Checkbox.css";

interface CheckboxProps {
  /** Read aloud; what stands beside it is the caller's. */
  label?: string;
  isChecked: boolean | "some";
  onChange: (isChecked: boolean) => void;
}

/** No `tabIndex` is handed on: one that is undefined would take the kit's own away, and with it the way by keyboard. */
export function Checkbox({ label, isChecked, onChange }: CheckboxProps) {
  return (
    <Base.Root
      className="checkbox"
      aria-label={label}
      checked={isChecked === true}
      indeterminate={isChecked === "some"}
      onCheckedChange={onChange}
    >
      <Base.Indicator className="checkbox-mark">
        {isChecked === "some" ? (
          <Minus size={12} strokeWidth={3} aria-hidden />
        ) : (
          <Check size={12} strokeWidth={3} aria-hidden />
        )}
      </Base.Indicator>
    </Base.Root>
  );
}
