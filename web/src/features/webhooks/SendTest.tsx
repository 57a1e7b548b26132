import { useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Send } from "lucide-react";
import { useState } from "react";
import type { Schemas } from "../../api/client";
import { asFailure } from "../../api/failure";
import { useMay } from "../../api/may";
import { testWebhook, webhooksKey } from "../../api/webhooks";
import { sentence } from "../../text/text";
import { took } from "../../text/time";
import { webhooks } from "../../text/webhooks";
import { Button } from "../../ui/Button";
import { FormError } from "../../ui/ErrorCard";
import { Field } from "../../ui/Field";
import { JsonView } from "../../ui/JsonView";
import { Select } from "../../ui/Select";
import { Tabs } from "../../ui/Tabs";
import { TextArea } from "../../ui/TextArea";
import { useOnce } from "../../ui/useOnce";
import { stateOf } from "./words";

const texts = webhooks.detail;

export interface Call {
  method: string;
  /** JSON, as it is typed. */
  body: string;
}

/** Lets the server call the webhook as another system would, and shows what it answers. */
export function SendTest({
  webhook,
  call,
  hasBody,
  onChange,
}: {
  webhook: Schemas["IncomingWebhook"];
  call: Call;
  hasBody: boolean;
  onChange: (call: Call) => void;
}) {
  const queries = useQueryClient();
  const may = useMay();
  const [error, setError] = useState<string>();
  const [failure, setFailure] = useState<string>();
  const [answer, setAnswer] = useState<Schemas["WebhookTestResult"]>();
  const [part, setPart] = useState<"body" | "headers">("body");
  const [isBusy, once] = useOnce();
  const mayNot = may("workflows:execute") ? undefined : texts.mayNot;
  const cannot = mayNot ?? (webhook.live ? undefined : texts.cannot[stateOf(webhook)]);
  const send = async () => {
    const body = hasBody ? parse(call.body) : { value: undefined };
    setError(body === undefined ? texts.notJson : undefined);
    if (body === undefined) return;
    setFailure(undefined);
    try {
      setAnswer(await testWebhook(webhook.id, { method: call.method, body: body.value }));
      void queries.invalidateQueries({ queryKey: webhooksKey });
    } catch (failed) {
      setFailure(sentence(asFailure(failed).message));
    }
  };
  return (
    <section className="card send-test" aria-label={texts.test}>
      {hasBody && (
        <Field label={texts.body} hint={texts.bodyHint} error={error}>
          <TextArea
            isCode
            rows={3}
            value={call.body}
            onChange={(event) => onChange({ ...call, body: event.target.value })}
            onKeyDown={(event) => {
              if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && cannot === undefined)
                void once(send);
            }}
          />
        </Field>
      )}
      <div className="send-test-row">
        {webhook.methods.length > 1 && (
          <Select
            label={texts.method}
            choices={webhook.methods.map((method) => ({ value: method, label: method }))}
            value={call.method}
            onChange={(method) => onChange({ ...call, method })}
          />
        )}
        <Button
          icon={<Send size={14} aria-hidden />}
          isBusy={isBusy}
          disabledBecause={cannot}
          onClick={() => void once(send)}
        >
          {texts.send}
        </Button>
        <span role="status" className="faint">
          {answer === undefined ? cannot : texts.answered(answer.status, took(answer.duration_ms))}
        </span>
        {answer?.execution_id !== undefined && (
          <Link to="/executions/$id" params={{ id: answer.execution_id }}>
            {texts.execution}
          </Link>
        )}
      </div>
      <FormError message={failure} />
      {answer !== undefined && (
        <Tabs
          label={texts.answer}
          value={part}
          onChange={setPart}
          tabs={[
            {
              value: "body",
              label: texts.answer,
              content: <JsonView label={texts.answer} value={answer.body} />,
            },
            {
              value: "headers",
              label: texts.headers,
              content: <JsonView label={texts.headers} value={answer.headers} />,
            },
          ]}
        />
      )}
    </section>
  );
}

function parse(text: string): { value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) };
  } catch {
    return undefined;
  }
}
