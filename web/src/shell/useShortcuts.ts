import { useNavigate } from "@tanstack/react-router";
import { useEffect } from "react";
import { singleKeys } from "../ui/singleKeys";
import { openOverlay, overlay } from "./overlays";
import { places } from "./places";

/** How long `G` waits for the second key. */
const PATIENCE = 1_500;

/** The keys that work on every screen. `Tab` is never one of them. */
export function useShortcuts(): void {
  const navigate = useNavigate();
  useEffect(() => {
    let pressedG = 0;
    const press = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.isComposing) return;
      const key = event.key.toLowerCase();
      if ((event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey && key === "k") {
        event.preventDefault();
        openOverlay("palette");
        return;
      }
      const isFree = overlay.get() === undefined && document.querySelector(".dialog, .drawer") === null;
      if (event.ctrlKey || event.metaKey || event.altKey || !singleKeys.get() || !isFree || isTyping(event))
        return;
      const afterG = Date.now() - pressedG < PATIENCE;
      pressedG = 0;
      if (event.key === "?") {
        openOverlay("shortcuts");
      } else if (key === "/") {
        const search = document.querySelector<HTMLInputElement>("[data-search]");
        if (search === null) return;
        search.focus();
        search.select();
      } else if (afterG) {
        const place = places.find((one) => one.key.toLowerCase() === key);
        if (place === undefined) return;
        void navigate({ to: place.to });
      } else if (key === "g") {
        pressedG = Date.now();
        return;
      } else {
        return;
      }
      event.preventDefault();
    };
    document.addEventListener("keydown", press);
    return () => document.removeEventListener("keydown", press);
  }, [navigate]);
}

function isTyping(event: KeyboardEvent): boolean {
  // The editor is in a shadow root, which hides it from `target`.
  const [target] = event.composedPath();
  if (!(target instanceof HTMLElement)) return false;
  return (
    target.isContentEditable || target.matches("input:not([type=checkbox]), textarea, select, [role=textbox]")
  );
}
