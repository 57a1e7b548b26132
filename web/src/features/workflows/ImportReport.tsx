import { Link } from "@tanstack/react-router";
import type { Schemas } from "../../api/client";
import type { Failure } from "../../api/failure";
import { kit } from "../../text/kit";
import { sentence } from "../../text/text";
import { workflows } from "../../text/workflows";
import { Button } from "../../ui/Button";
import { Dialog, DialogActions } from "../../ui/Dialog";
import { NewSecret } from "./NewSecret";

const texts = workflows.told;

/** What an import made and what it still needs, or why there was none. */
export function ImportReport({
  report,
  failure,
  onClose,
}: {
  report: Schemas["ImportReport"] | undefined;
  failure: Failure | undefined;
  onClose: () => void;
}) {
  const title = failure === undefined ? texts.imported(report?.workflows.length ?? 0) : texts.failed.import;
  return (
    <Dialog
      title={title}
      description={failure === undefined ? texts.mustMend : sentence(failure.message)}
      isOpen={report !== undefined || failure !== undefined}
      onClose={onClose}
    >
      <div className="problems">
        {failure !== undefined && <Problems problems={failure.problems} />}
        {report?.workflows.map((one) => (
          <section key={one.workflow.id}>
            <h3>
              <Link to="/workflows/$id" params={{ id: one.workflow.id }}>
                {one.workflow.name}
              </Link>
            </h3>
            <Problems problems={[...one.secrets, ...one.problems]} />
            {one.workflow.triggers.map(
              ({ id, node, secret }) =>
                secret !== undefined && <NewSecret key={id} name={node} secret={secret} />,
            )}
          </section>
        ))}
      </div>
      <DialogActions>
        <Button kind="primary" onClick={onClose}>
          {kit.close}
        </Button>
      </DialogActions>
    </Dialog>
  );
}

function Problems({ problems }: { problems: Schemas["Problem"][] }) {
  return (
    <ul>
      {problems.map((problem) => (
        <li key={`${problem.pointer} ${problem.message}`}>
          {sentence(problem.message)}
          <code>{problem.pointer}</code>
        </li>
      ))}
    </ul>
  );
}
