import { type ReactNode, useRef, useState } from "react";
import { kit } from "../text/kit";
import { reason } from "../text/reason";
import { Button } from "./Button";
import { Dialog, DialogActions } from "./Dialog";
import { FormError } from "./ErrorCard";

/** Asks before something that cannot be undone. What can be undone is done at once, with a way back. */
export function Confirm({
  title,
  action,
  children,
  onConfirm,
  onClose,
}: {
  title: string;
  action: string;
  children: ReactNode;
  /** Throws what then is shown. */
  onConfirm: () => Promise<void>;
  onClose: () => void;
}) {
  const [isBusy, setIsBusy] = useState(false);
  const [failure, setFailure] = useState<string>();
  const cancel = useRef<HTMLButtonElement>(null);
  const confirm = async () => {
    setIsBusy(true);
    try {
      await onConfirm();
      onClose();
    } catch (error) {
      setFailure(reason(error));
      setIsBusy(false);
    }
  };
  return (
    <Dialog title={title} description={children} isOpen onClose={onClose} size="small" first={cancel}>
      <FormError message={failure} />
      <DialogActions>
        <Button ref={cancel} onClick={onClose}>
          {kit.cancel}
        </Button>
        <Button kind="danger" isBusy={isBusy} onClick={() => void confirm()}>
          {action}
        </Button>
      </DialogActions>
    </Dialog>
  );
}
