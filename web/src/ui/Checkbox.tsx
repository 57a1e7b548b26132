import { Checkbox as Base } from "@base-ui/react/checkbox";
import { Check, Minus } from "lucide-react";
import "./Checkbox.css";

interface CheckboxProps {
  /** Read aloud; what stands beside it is the caller's. */
  label?: string;
  isChecked: boolean | "some";
  onChange: (isChecked: boolean) => void;
  tabIndex?: number;
}

export function Checkbox({ label, isChecked, onChange, tabIndex }: CheckboxProps) {
  return (
    <Base.Root
      className="checkbox"
      aria-label={label}
      tabIndex={tabIndex}
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
