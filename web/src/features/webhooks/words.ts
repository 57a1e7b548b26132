import type { Schemas } from "../../api/client";
import { webhooks as texts } from "../../text/webhooks";

type Webhook = Schemas["IncomingWebhook"];

/** Whether it takes calls, in the words of `texts.state`. */
export function stateOf({ live, draft_only }: Webhook): keyof typeof texts.state {
  if (live) return "live";
  return draft_only ? "draft" : "off";
}

/** How callers prove who they are, shortly. */
export function authOf({ auth }: Webhook): string {
  return texts.auth[auth.type] ?? auth.type;
}

/** The same for whoever must set a sender up. */
export function proofOf({ auth }: Webhook): string {
  const { proof } = texts;
  const header = auth.header ?? "";
  switch (auth.type) {
    case "none":
      return proof.none;
    case "token":
      return proof.token(header);
    case "basic":
      return proof.basic(auth.username ?? "");
    case "hmac":
      return proof.hmac(auth.algorithm ?? "", auth.encoding ?? "", header, auth.prefix ?? "");
    // A newer server may know more.
    default:
      return auth.type;
  }
}
