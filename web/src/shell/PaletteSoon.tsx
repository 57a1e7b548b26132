import { Search } from "lucide-react";
import { useStore } from "../api/store";
import { shell } from "../text/shell";
import "../ui/CommandPalette.css";
import "../ui/Dialog.css";
import { closeOverlay, commandText } from "./overlays";

/** The commands' field, until they themselves are here: it takes what is typed. */
export function PaletteSoon() {
  const { label, placeholder } = shell.palette;
  return (
    <>
      <div className="veil" aria-hidden onClick={closeOverlay} />
      <div className="dialog palette" role="dialog" aria-label={label}>
        <div className="palette-head">
          <Search size={18} aria-hidden />
          <input
            // biome-ignore lint/a11y/noAutofocus: it was asked for by a key
            autoFocus
            className="palette-input"
            aria-label={label}
            placeholder={placeholder}
            maxLength={200}
            value={useStore(commandText)}
            onChange={(event) => commandText.set(event.target.value)}
            onKeyDown={(event) => event.key === "Escape" && closeOverlay()}
          />
        </div>
        <div className="palette-body" />
      </div>
    </>
  );
}
