import { Dialog } from "@base-ui/react/dialog";
import { shell } from "../text/shell";
import "../ui/Dialog.css";
import { Navigation } from "./Navigation";
import "./NavigationDrawer.css";

/** The navigation where there is no room for it beside the screen. */
export default function NavigationDrawer({ onClose }: { onClose: () => void }) {
  return (
    <Dialog.Root open onOpenChange={(isOpen) => !isOpen && onClose()}>
      <Dialog.Portal>
        <Dialog.Backdrop className="veil" />
        <Dialog.Popup className="drawer" aria-label={shell.navigation}>
          <Navigation onGone={onClose} />
        </Dialog.Popup>
      </Dialog.Portal>
    </Dialog.Root>
  );
}
