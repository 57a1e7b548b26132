import { Send } from "lucide-react";
import { useState } from "react";
import { duration } from "../../text/time";
import { webhooks } from "../../text/webhooks";
import { Button } from "../../ui/Button";
import { FormError } from "../../ui/ErrorCard";
import { Field } from "../../ui/Field";
import { JsonView } from "../../ui/JsonView";
import { TextArea } from "../../ui/TextArea";
import type { Webhook } from "./useWebhooks";

const texts = webhooks.detail;

interface Answer {
  status: number;
  took: number;
  body: unknown;
}

/** Calls the webhook as another system would, and shows what it answers. */
export function SendTest({
  webhook,
  method,
  disabledBecause,
}: {
  webhook: Webhook;
  method: string;
  disabledBecause: string | undefined;
}) {
  const hasBody = method !== "GET" && method !== "HEAD";
  const [body, setBody] = useState('{"amount": 12}');
  const [error, setError] = useState<string>();
  const [failure, setFailure] = useState<string>();
  const [answer, setAnswer] = useState<Answer>();
  const [isBusy, setIsBusy] = useState(false);
  const send = async () => {
    const isJson = !hasBody || parses(body);
    setError(isJson ? undefined : texts.notJson);
    if (!isJson) return;
    setIsBusy(true);
    setFailure(undefined);
    const began = performance.now();
    try {
      // By this server's own address: callers may know it by another, which this page may not call.
      const response = await fetch(`/api/webhooks/${webhook.webhookId}`, {
        method,
        ...(hasBody && { body, headers: { "Content-Type": "application/json" } }),
      });
      const text = await response.text();
      const took = performance.now() - began;
      setAnswer({ status: response.status, took, body: parses(text) ? JSON.parse(text) : text });
    } catch {
      setFailure(texts.failed);
    } finally {
      setIsBusy(false);
    }
  };
  return (
    <section className="card send-test" aria-label={texts.test}>
      {hasBody && (
        <Field label={texts.body} hint={texts.bodyHint} error={error}>
          <TextArea isCode rows={3} value={body} onChange={(event) => setBody(event.target.value)} />
        </Field>
      )}
      <div className="send-test-row">
        <Button
          icon={<Send size={14} aria-hidden />}
          isBusy={isBusy}
          disabledBecause={disabledBecause}
          onClick={() => void send()}
        >
          {texts.send}
        </Button>
        <span role="status" className="faint">
          {answer === undefined ? disabledBecause : texts.answered(answer.status, duration(answer.took))}
        </span>
      </div>
      <FormError message={failure} />
      {answer !== undefined && <JsonView label={texts.answer} value={answer.body} />}
    </section>
  );
}

function parses(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
