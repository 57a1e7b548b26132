import { Dialog as Base } from "@base-ui/react/dialog";
import { X } from "lucide-react";
import { type ReactNode, type RefObject, useRef } from "react";
import { kit } from "../text/kit";
import { shown } from "../text/shown";
import "./Dialog.css";

const FIELDS =
  "input:not([tabindex='-1'], [aria-hidden=true], [type=hidden]), textarea, [role=combobox], [role=textbox]";

export interface DialogProps {
  title: string;
  description?: ReactNode;
  isOpen: boolean;
  /** Missing where it cannot be left without doing what it asks for. */
  onClose?: (() => void) | undefined;
  size?: "small" | "normal" | "wide";
  /** Where the focus goes first; the first field where missing, and where there is none, the first control. */
  first?: RefObject<HTMLElement | null>;
  children: ReactNode;
}

/** A card over the page. Its buttons are in a [`DialogActions`]. */
export function Dialog({
  title,
  description,
  isOpen,
  onClose,
  size = "normal",
  first,
  children,
}: DialogProps) {
  const card = useRef<HTMLDivElement>(null);
  return (
    <Base.Root open={isOpen} onOpenChange={(open) => !open && onClose?.()} disablePointerDismissal={!onClose}>
      <Base.Portal>
        <Base.Backdrop className="veil" />
        <Base.Popup
          ref={card}
          className={`dialog dialog-${size}`}
          initialFocus={first ?? ((by) => firstField(card.current, by === "touch"))}
        >
          <Base.Title className="dialog-title">{shown(title)}</Base.Title>
          {description !== undefined && (
            <Base.Description className="dialog-description">{description}</Base.Description>
          )}
          {onClose !== undefined && (
            <Base.Close className="button button-quiet icon-button dialog-close" aria-label={kit.close}>
              <X size={16} aria-hidden />
            </Base.Close>
          )}
          {children}
        </Base.Popup>
      </Base.Portal>
    </Base.Root>
  );
}

/** With fingers the keyboard would come up unasked. */
function firstField(card: HTMLElement | null, isTouch: boolean): HTMLElement | true | false {
  // Something in it has taken it already.
  if (card?.contains(document.activeElement) && document.activeElement !== card) return false;
  return (!isTouch && card?.querySelector<HTMLElement>(FIELDS)) || true;
}

export function DialogActions({ children }: { children: ReactNode }) {
  return <div className="dialog-actions">{children}</div>;
}
