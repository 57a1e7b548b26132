import type { Schemas } from "../../api/client";
import { people } from "../../text/people";
import { exactly } from "../../text/time";
import { Button } from "../../ui/Button";
import { CopyField } from "../../ui/CopyField";
import { Dialog, DialogActions } from "../../ui/Dialog";
import { nameOf } from "./columns";

const texts = people.link;

/** The link for one person, this once. */
export function LinkDialog({
  invitation,
  onClose,
}: {
  invitation: Schemas["Invitation"];
  onClose: () => void;
}) {
  const { user, invite_url, expires_at } = invitation;
  return (
    // No way out but the button: a link that was not copied is lost.
    <Dialog title={texts.title(nameOf(user))} description={texts.text} isOpen>
      <div className="form">
        <CopyField label={texts.label} value={invite_url} />
        <p className="faint">
          {texts.expires} {exactly(expires_at)}.
        </p>
        <DialogActions>
          <Button kind="primary" onClick={onClose}>
            {texts.done}
          </Button>
        </DialogActions>
      </div>
    </Dialog>
  );
}
