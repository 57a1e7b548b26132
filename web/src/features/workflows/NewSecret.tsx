import { workflow as texts } from "../../text/workflow";
import { CopyField } from "../../ui/CopyField";

/** The secret that was made for a trigger: it is seen this once. */
export function NewSecret({ name, secret }: { name: string; secret: string }) {
  return (
    <div className="new-secret">
      <p>
        <strong>{texts.secret(name)}</strong> <span className="faint">{texts.secretHint}</span>
      </p>
      <CopyField label={texts.secret(name)} value={secret} />
    </div>
  );
}
