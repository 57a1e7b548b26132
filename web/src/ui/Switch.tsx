import { Switch as Base } from "@base-ui/react/switch";
import "./Switch.css";

interface SwitchProps {
  label: string;
  isOn: boolean;
  onChange: (isOn: boolean) => void;
  disabledBecause?: string | undefined;
}

/** Something that is on or off at once, without a save. */
export function Switch({ label, isOn, onChange, disabledBecause }: SwitchProps) {
  return (
    <Base.Root
      className="switch"
      aria-label={label}
      title={disabledBecause}
      checked={isOn}
      readOnly={disabledBecause !== undefined}
      onCheckedChange={onChange}
    >
      <Base.Thumb className="switch-thumb" />
    </Base.Root>
  );
}
