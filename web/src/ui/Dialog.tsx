import { Dialog as Base } from "@base-ui/react/dialog";
import { X } from "lucide-react";
import type { ReactNode, RefObject } from "react";
import { kit } from "../text/kit";
import "./Dialog.css";

export interface DialogProps {
  title: string;
  description?: ReactNode;
  isOpen: boolean;
  /** Missing where it cannot be left without doing what it asks for. */
  onClose?: (() => void) | undefined;
  size?: "small" | "normal" | "wide";
  /** Where the focus goes first; the first control where missing. */
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
  return (
    <Base.Root open={isOpen} onOpenChange={(open) => !open && onClose?.()} disablePointerDismissal={!onClose}>
      <Base.Portal>
        <Base.Backdrop className="veil" />
        <Base.Popup className={`dialog dialog-${size}`} initialFocus={first}>
          <Base.Title className="dialog-title">{title}</Base.Title>
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

export function DialogActions({ children }: { children: ReactNode }) {
  return <div className="dialog-actions">{children}</div>;
}
