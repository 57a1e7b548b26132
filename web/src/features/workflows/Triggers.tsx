import { useQuery } from "@tanstack/react-query";
import type { Schemas } from "../../api/client";
import { webhookOf } from "../../api/webhooks";
import { curl } from "../../graph/curl";
import { workflow as texts } from "../../text/workflow";
import { workflows } from "../../text/workflows";
import { CodeBlock } from "../../ui/CodeBlock";
import { CopyField } from "../../ui/CopyField";
import { NewSecret } from "./NewSecret";

/** What starts a workflow, with the addresses to call. */
export function Triggers({ workflow }: { workflow: Schemas["Workflow"] }) {
  const nameOf = (key: string) => workflow.graph.nodes.find((node) => node.key === key)?.name ?? key;
  return (
    <section className="card workflow-part">
      <h2>{texts.triggers}</h2>
      {workflow.triggers.length === 0 && <p className="faint">{texts.noTriggers}</p>}
      {workflow.triggers.map((trigger) => {
        const name = nameOf(trigger.node);
        const kind = trigger.type.replace("trigger.", "");
        return (
          <div key={trigger.id} className="trigger">
            <h3>
              {name} <span className="faint">{workflows.starts[kind] ?? kind}</span>
            </h3>
            {trigger.url !== undefined && (
              <>
                <CopyField label={texts.url(name)} value={trigger.url} />
                <HowToCall trigger={trigger} revision={workflow.revision} />
              </>
            )}
            {trigger.secret !== undefined && <NewSecret name={name} secret={trigger.secret} />}
          </div>
        );
      })}
    </section>
  );
}

/** As the draft of this revision wants to be called, with the proof that it asks for. */
function HowToCall({ trigger, revision }: { trigger: Schemas["Trigger"]; revision: number }) {
  const { data: webhook } = useQuery(webhookOf(trigger.id, revision));
  if (webhook === undefined) return null;
  const { url, methods, auth } = webhook;
  const method = methods.includes("POST") ? "POST" : (methods[0] ?? "POST");
  const body = method === "GET" || method === "HEAD" ? undefined : '{"amount": 12}';
  return <CodeBlock label={texts.curl} code={curl({ url, method, body, auth })} />;
}
