import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { workflowOf } from "../../api/workflows";
import { webhooks } from "../../text/webhooks";
import { buttonClass } from "../../ui/Button";
import { CodeBlock } from "../../ui/CodeBlock";
import { CopyField } from "../../ui/CopyField";
import { Dialog, DialogActions } from "../../ui/Dialog";
import { SendTest } from "./SendTest";
import type { Webhook } from "./useWebhooks";

const texts = webhooks.detail;

/** What a caller must know of a webhook, and a test. */
export function WebhookDialog({ webhook, onClose }: { webhook: Webhook; onClose: () => void }) {
  const workflow = useQuery(workflowOf(webhook.workflow.id));
  const node = workflow.data?.graph.nodes.find((one) => one.key === webhook.node);
  const parameters = (node?.parameters ?? {}) as { methods?: unknown; auth?: { type?: unknown } };
  const methods = Array.isArray(parameters.methods) ? parameters.methods.map(String) : ["GET", "POST"];
  const auth = typeof parameters.auth?.type === "string" ? parameters.auth.type : "none";
  const method = methods.includes("POST") ? "POST" : (methods[0] ?? "POST");
  const body = method === "GET" ? "" : ` -H 'Content-Type: application/json' -d '{"amount": 12}'`;
  return (
    <Dialog
      title={webhook.workflow.name}
      description={node?.name ?? webhook.node}
      isOpen
      onClose={onClose}
      size="wide"
    >
      <div className="form">
        <CopyField label={texts.address} value={webhook.url} />
        <dl className="webhook-facts">
          <div>
            <dt>{texts.methods}</dt>
            <dd>{methods.join(", ")}</dd>
          </div>
          <div>
            <dt>{texts.authentication}</dt>
            <dd>{auth === "none" ? texts.noAuthentication : auth}</dd>
          </div>
        </dl>
        <CodeBlock label={texts.curl} code={`curl -X ${method} '${webhook.url}'${body}`} />
        {workflow.isSuccess && (
          <SendTest
            webhook={webhook}
            method={method}
            disabledBecause={
              webhook.state !== "live" ? texts.notLive : auth === "none" ? undefined : texts.needsSecret
            }
          />
        )}
        <DialogActions>
          <Link
            to="/executions"
            search={{ workflow: webhook.workflow.id, mode: "webhook" }}
            className={buttonClass()}
          >
            {texts.executions}
          </Link>
          <Link to="/workflows/$id" params={{ id: webhook.workflow.id }} className={buttonClass()}>
            {texts.workflow}
          </Link>
        </DialogActions>
      </div>
    </Dialog>
  );
}
