import { Combobox as Base } from "@base-ui/react/combobox";
import { Check, ChevronDown, X } from "lucide-react";
import { kit } from "../text/kit";
import type { Choice } from "./Select";
import "./Floating.css";
import "./Field.css";
import "./Combobox.css";

interface ComboboxProps {
  /** Where no [`Field`] names it. */
  label?: string;
  placeholder?: string;
  choices: readonly Choice<string>[];
  value: string | undefined;
  onChange: (value: string | undefined) => void;
  /** Where the server searches: told what is typed. */
  onSearch?: (text: string) => void;
}

/** One of many, found by typing. */
export function Combobox({ label, placeholder, choices, value, onChange, onSearch }: ComboboxProps) {
  const chosen = choices.find((choice) => choice.value === value) ?? null;
  return (
    <Base.Root
      items={choices}
      value={chosen}
      onValueChange={(choice: Choice<string> | null) => onChange(choice?.value)}
      onInputValueChange={(text, details) => {
        if (details.reason === "input-change") onSearch?.(text);
      }}
      filter={onSearch === undefined ? undefined : null}
    >
      <div className="combobox">
        <Base.Input className="input" aria-label={label} placeholder={placeholder} maxLength={200} />
        {chosen !== null && (
          <Base.Clear className="input-button combobox-clear" aria-label={kit.clear}>
            <X size={14} aria-hidden />
          </Base.Clear>
        )}
        <Base.Trigger className="input-button" aria-label={kit.showChoices}>
          <ChevronDown size={16} aria-hidden />
        </Base.Trigger>
      </div>
      <Base.Portal>
        <Base.Positioner sideOffset={4} className="floating">
          <Base.Popup className="floating-card">
            <Base.Empty className="floating-empty">{kit.nothingFits}</Base.Empty>
            <Base.List>
              {(choice: Choice<string>) => (
                <Base.Item key={choice.value} value={choice} className="floating-item">
                  {choice.icon}
                  <span className="floating-text">{choice.label}</span>
                  <Base.ItemIndicator className="floating-end">
                    <Check size={16} aria-hidden />
                  </Base.ItemIndicator>
                </Base.Item>
              )}
            </Base.List>
          </Base.Popup>
        </Base.Positioner>
      </Base.Portal>
    </Base.Root>
  );
}
