import { Toggle } from "@base-ui/react/toggle";
import { ToggleGroup } from "@base-ui/react/toggle-group";
import "./Segments.css";

/** One of very few, all of them in sight. */
export function Segments<T extends string>({
  label,
  choices,
  value,
  onChange,
}: {
  label: string;
  choices: readonly { value: T; label: string }[];
  value: T;
  onChange: (value: T) => void;
}) {
  return (
    <ToggleGroup
      className="segments"
      aria-label={label}
      value={[value]}
      onValueChange={([chosen]) => chosen !== undefined && onChange(chosen as T)}
    >
      {choices.map((choice) => (
        <Toggle key={choice.value} value={choice.value} className="segment">
          {choice.label}
        </Toggle>
      ))}
    </ToggleGroup>
  );
}
