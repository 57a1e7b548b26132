import type { Schemas } from "../../api/client";
import { workflow as texts } from "../../text/workflow";
import { workflows } from "../../text/workflows";
import { CodeBlock } from "../../ui/CodeBlock";
import { CopyField } from "../../ui/CopyField";

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
                <CodeBlock
                  label={texts.curl}
                  code={`curl '${trigger.url}' -H 'Content-Type: application/json' -d '{"amount": 12}'`}
                />
              </>
            )}
            {trigger.secret !== undefined && (
              <>
                <CopyField label={texts.secret(name)} value={trigger.secret} />
                <p className="faint">{texts.secretHint}</p>
              </>
            )}
          </div>
        );
      })}
    </section>
  );
}
