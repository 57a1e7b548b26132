import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import type { Schemas } from "../../api/client";
import { webhookOf } from "../../api/webhooks";
import { curl } from "../../graph/curl";
import { webhooks } from "../../text/webhooks";
import { buttonClass } from "../../ui/Button";
import { CodeBlock } from "../../ui/CodeBlock";
import { CopyField } from "../../ui/CopyField";
import { Dialog, DialogActions } from "../../ui/Dialog";
import { ErrorCard } from "../../ui/ErrorCard";
import { Words } from "../../ui/Prose";
import { SkeletonRows } from "../../ui/Skeleton";
import { type Call, SendTest } from "./SendTest";
import { proofOf } from "./words";

const texts = webhooks.detail;

/** What a caller must know of a webhook, and a test. */
export function WebhookDialog({
  id,
  known,
  onClose,
}: {
  id: string;
  /** As the list has it, if it has. */
  known: Schemas["IncomingWebhook"] | undefined;
  onClose: () => void;
}) {
  const one = useQuery({ ...webhookOf(id), enabled: known === undefined });
  const webhook = known ?? one.data;
  return (
    <Dialog
      title={webhook?.workflow_name ?? texts.title}
      description={webhook?.name}
      isOpen
      onClose={onClose}
      size="wide"
    >
      {webhook === undefined && one.isPending && <SkeletonRows count={4} />}
      {webhook === undefined && one.isError && (
        <ErrorCard error={one.error} onRetry={() => void one.refetch()} />
      )}
      {webhook !== undefined && <Found webhook={webhook} />}
    </Dialog>
  );
}

function Found({ webhook }: { webhook: Schemas["IncomingWebhook"] }) {
  const [call, setCall] = useState<Call>({
    method: webhook.methods.includes("POST") ? "POST" : (webhook.methods[0] ?? "POST"),
    body: '{"amount": 12}',
  });
  const hasBody = call.method !== "GET" && call.method !== "HEAD";
  return (
    <div className="form">
      <CopyField label={texts.address} value={webhook.url} />
      <dl className="webhook-facts">
        <div>
          <dt>{texts.methods}</dt>
          <dd>{webhook.methods.join(", ")}</dd>
        </div>
        <div>
          <dt>{texts.authentication}</dt>
          <dd>
            <Words text={proofOf(webhook)} />
          </dd>
        </div>
      </dl>
      <SendTest webhook={webhook} call={call} hasBody={hasBody} onChange={setCall} />
      <CodeBlock
        label={texts.curl}
        code={curl({
          url: webhook.url,
          method: call.method,
          body: hasBody ? call.body : undefined,
          auth: webhook.auth,
        })}
      />
      <DialogActions>
        <Link
          to="/executions"
          search={{ workflow: webhook.workflow_id, mode: "webhook" }}
          className={buttonClass()}
        >
          {texts.executions}
        </Link>
        <Link to="/workflows/$id" params={{ id: webhook.workflow_id }} className={buttonClass()}>
          {texts.workflow}
        </Link>
      </DialogActions>
    </div>
  );
}
