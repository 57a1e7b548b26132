import { useEffect } from "react";
import { focusRow } from "../ui/rows";

/** Where the focus was. */
interface Spot {
  element: HTMLElement;
  /** Where it was in a row of a table. */
  table: Element | null;
  row: number;
}

/** So many are remembered. */
const MANY = 20;

/** When what had the focus is taken away, with a row that is deleted or a dialog that closes, the focus goes where work
 *  goes on: to the next row, to what had it before, or to the screen's name. Else keys would be heard by nothing. */
export function useKeptFocus(): void {
  useEffect(() => {
    let spots: Spot[] = [];
    let frame = 0;
    const note = (event: FocusEvent) => {
      // The editor is in a shadow root, which hides it from `target`.
      const [element] = event.composedPath();
      if (!(element instanceof HTMLElement) || element.hasAttribute("data-base-ui-focus-guard")) return;
      const row = element.closest(".table-body-row");
      const spot = {
        element,
        table: element.closest(".table"),
        row: Number(row?.getAttribute("aria-rowindex")),
      };
      spots = [...spots.filter((one) => one.element !== element), spot].slice(-MANY);
    };
    const forget = (event: FocusEvent) => {
      const [element] = event.composedPath();
      queueMicrotask(() => {
        // Pressed beside everything, on purpose.
        const isGiven = isNowhere() && document.hasFocus();
        if (isGiven && element instanceof HTMLElement && element.isConnected) spots = [];
      });
    };
    const look = () => {
      if (!isNowhere() || spots.at(-1)?.element.isConnected !== false) return;
      cancelAnimationFrame(frame);
      // Dialogs and screens place the focus themselves, a moment later.
      frame = requestAnimationFrame(() => {
        frame = requestAnimationFrame(() => {
          if (isNowhere()) restore(spots);
        });
      });
    };
    const observer = new MutationObserver(look);
    observer.observe(document.body, { childList: true, subtree: true });
    document.addEventListener("focusin", note);
    document.addEventListener("focusout", forget);
    return () => {
      observer.disconnect();
      cancelAnimationFrame(frame);
      document.removeEventListener("focusin", note);
      document.removeEventListener("focusout", forget);
    };
  }, []);
}

function isNowhere(): boolean {
  return document.activeElement === null || document.activeElement === document.body;
}

function restore(spots: readonly Spot[]): void {
  const dialog = [...document.querySelectorAll<HTMLElement>(".dialog[data-open], .drawer[data-open]")].at(-1);
  for (const { element, table, row } of spots.toReversed()) {
    if (element.isConnected) {
      if (dialog !== undefined && !dialog.contains(element)) continue;
      element.focus({ preventScroll: true });
    } else if (table?.isConnected && row > 0 && dialog === undefined) {
      const rows = [...table.querySelectorAll(".table-body-row")];
      const next = rows.find((one) => Number(one.getAttribute("aria-rowindex")) >= row) ?? rows.at(-1);
      if (next !== undefined) focusRow(next);
    }
    if (!isNowhere()) return;
  }
  (dialog ?? document.querySelector<HTMLElement>("#content h1"))?.focus({ preventScroll: true });
}
