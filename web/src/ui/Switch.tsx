import { Switch as Base } from "@base-ui/react/switch";
import { useState } from "react";
import "./Switch.css";

interface SwitchProps {
  label: string;
  isOn: boolean;
  /** Where it returns a promise, the switch shows what is wanted until that has ended, and then what is. */
  onChange: (isOn: boolean) => unknown;
  disabledBecause?: string | undefined;
}

/** Something that is on or off at once, without a save. */
export function Switch({ label, isOn, onChange, disabledBecause }: SwitchProps) {
  const [wanted, setWanted] = useState<boolean>();
  const isBusy = wanted !== undefined;
  const change = async (next: boolean) => {
    const changed = onChange(next);
    if (!(changed instanceof Promise)) return;
    setWanted(next);
    // Whoever changes it tells of what failed.
    await changed.catch(() => {});
    setWanted(undefined);
  };
  return (
    <Base.Root
      className="switch"
      aria-label={label}
      aria-busy={isBusy || undefined}
      title={disabledBecause}
      checked={wanted ?? isOn}
      readOnly={disabledBecause !== undefined || isBusy}
      onCheckedChange={(next) => void change(next)}
    >
      <Base.Thumb className="switch-thumb" />
    </Base.Root>
  );
}
