import { CopyButton } from "./CopyButton";
import "./CopyField.css";

/** A value to take elsewhere: an address, a key. */
export function CopyField({ label, value }: { label: string; value: string }) {
  return (
    <div className="copy-field">
      <input
        className="copy-value"
        aria-label={label}
        readOnly
        value={value}
        onFocus={(event) => event.target.select()}
      />
      <CopyButton text={value} />
    </div>
  );
}
