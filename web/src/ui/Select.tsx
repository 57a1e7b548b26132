import { Select as Base } from "@base-ui/react/select";
import { Check, ChevronDown } from "lucide-react";
import type { ReactNode } from "react";
import "./Floating.css";
import "./Select.css";

export interface Choice<T extends string> {
  value: T;
  label: string;
  icon?: ReactNode;
}

interface SelectProps<T extends string> {
  /** Where no [`Field`] names it. */
  label?: string;
  choices: readonly Choice<T>[];
  value: T;
  onChange: (value: T) => void;
}

/** One of a few. */
export function Select<T extends string>({ label, choices, value, onChange }: SelectProps<T>) {
  return (
    <Base.Root
      items={choices}
      value={value}
      modal={false}
      onValueChange={(chosen) => chosen !== null && onChange(chosen as T)}
    >
      <Base.Trigger className="select" aria-label={label}>
        <Base.Value />
        <Base.Icon className="select-icon">
          <ChevronDown size={16} aria-hidden />
        </Base.Icon>
      </Base.Trigger>
      <Base.Portal>
        <Base.Positioner sideOffset={4} alignItemWithTrigger={false} className="floating">
          <Base.Popup className="floating-card">
            {choices.map((choice) => (
              <Base.Item key={choice.value} value={choice.value} className="floating-item">
                {choice.icon}
                <Base.ItemText className="floating-text">{choice.label}</Base.ItemText>
                <Base.ItemIndicator className="floating-end">
                  <Check size={16} aria-hidden />
                </Base.ItemIndicator>
              </Base.Item>
            ))}
          </Base.Popup>
        </Base.Positioner>
      </Base.Portal>
    </Base.Root>
  );
}
