import { end, useSession } from "../../api/session";
import { shell } from "../../text/shell";
import { Button } from "../../ui/Button";
import { Dialog } from "../../ui/Dialog";
import "../../shell/DoorCard.css";
import { LogInForm } from "./LogInForm";

/** Over the screen whose session has ended: what was typed there stays. */
export default function LogInAgain() {
  const { email, isExpired } = useSession();
  return (
    <Dialog title={shell.again.title} description={shell.again.description} isOpen={isExpired} size="small">
      <LogInForm key={email} email={email} />
      <Button kind="quiet" className="again-other" onClick={end}>
        {shell.again.other}
      </Button>
    </Dialog>
  );
}
