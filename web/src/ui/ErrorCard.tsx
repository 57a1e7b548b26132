import { CircleAlert, RotateCw } from "lucide-react";
import { asFailure } from "../api/failure";
import { kit } from "../text/kit";
import { sentence } from "../text/text";
import { Button } from "./Button";
import { CopyButton } from "./CopyButton";
import "./ErrorCard.css";
import { Words } from "./Prose";

/** What failed, why if it is known, what to do, and the id to quote. */
export function ErrorCard({
  error,
  title,
  onRetry,
}: {
  error: unknown;
  title?: string;
  onRetry?: () => void;
}) {
  const failure = asFailure(error);
  const help = {
    offline: kit.failures.offlineHelp,
    slow: kit.failures.slowHelp,
    // What is to be quoted must be there.
    wrong:
      `${sentence(failure.message)} ${failure.requestId === undefined ? "" : kit.failures.wrongHelp}`.trim(),
    refused: sentence(failure.message),
  }[failure.kind];
  return (
    <div className="error-card" role="alert">
      <CircleAlert size={20} aria-hidden className="error-card-icon" />
      <div className="error-card-words">
        <h2>{title ?? kit.failures[failure.kind]}</h2>
        <p>
          <Words text={help} />
        </p>
        {failure.requestId !== undefined && (
          <p className="error-card-id">
            {kit.requestId} <code>{failure.requestId}</code>
            <CopyButton text={failure.requestId} name={kit.requestId} />
          </p>
        )}
        {onRetry !== undefined && (
          <Button icon={<RotateCw size={14} aria-hidden />} onClick={onRetry}>
            {kit.tryAgain}
          </Button>
        )}
      </div>
    </div>
  );
}

/** What a form says above its buttons when it was refused as a whole. */
export function FormError({ message }: { message: string | undefined }) {
  return (
    <div role="alert">
      {message !== undefined && (
        <p className="form-error">
          <CircleAlert size={16} aria-hidden />
          {message}
        </p>
      )}
    </div>
  );
}
