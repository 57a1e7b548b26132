// Where the focus goes in a table's rows.

import type { Key, KeyboardEvent } from "react";

const CONTROLS = "a, button, [role=checkbox], [role=switch]";
/** So many screens are remembered. */
const MANY = 50;

/** To the same control of the row above or below, which is returned; from the first row up to the search. */
export function moveByArrows(event: KeyboardEvent<HTMLElement>): Element | null {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const from = event.target as HTMLElement;
  if (step === undefined || from.closest("[role=menu],[role=listbox]")) return null;
  const row = from.closest(".table-body-row");
  const next = step === 1 ? row?.nextElementSibling : row?.previousElementSibling;
  if (!row || !next?.matches(".table-body-row")) {
    const search = document.querySelector<HTMLElement>("[data-search]");
    if (step === -1 && row?.getAttribute("aria-rowindex") === "2" && search !== null && !event.shiftKey) {
      event.preventDefault();
      search.focus();
    }
    return null;
  }
  const at = [...row.querySelectorAll<HTMLElement>(CONTROLS)].indexOf(from);
  const to = [...next.querySelectorAll<HTMLElement>(CONTROLS)];
  const target = to[Math.min(Math.max(at, 0), to.length - 1)];
  if (target === undefined) return null;
  event.preventDefault();
  target.focus({ preventScroll: true });
  next.scrollIntoView({ block: "nearest" });
  return next;
}

/** Into the first row in sight, from where the focus is on nothing, or on what stands above the rows. */
export function enterRow(event: globalThis.KeyboardEvent, body: Element): boolean {
  const { target, key } = event;
  if (event.defaultPrevented || (key !== "ArrowDown" && key !== "ArrowUp") || !(target instanceof Element))
    return false;
  if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return false;
  if (document.querySelector(".dialog, .drawer, [role=menu], [role=listbox]") !== null) return false;
  const isAbove = target.matches("[data-search], .table-head *");
  if (!target.matches("body, main, h1") && !(isAbove && key === "ArrowDown")) return false;
  const row = [...body.querySelectorAll(".table-body-row")].find(isInSight);
  return row !== undefined && focusRow(row);
}

/** The row's link, or what else can be pressed in it. */
export function focusRow(row: Element): boolean {
  const control = row.querySelector<HTMLElement>(".row-link") ?? row.querySelector<HTMLElement>(CONTROLS);
  control?.focus({ preventScroll: true });
  row.scrollIntoView({ block: "nearest" });
  return control !== null;
}

/** Not beneath the head of its table, nor outside the window. */
export function isInSight(row: Element): boolean {
  const head = row.closest(".table")?.querySelector(".table-head")?.getBoundingClientRect();
  const { top, bottom } = row.getBoundingClientRect();
  return top >= (head?.bottom ?? 0) - 1 && bottom <= innerHeight;
}

/** The row in which the focus last was, of each step of the browser's history. */
const remembered = new Map<string, Key>();

export function rememberRow(key: Key): void {
  remembered.delete(step());
  remembered.set(step(), key);
  const [oldest] = remembered.keys();
  if (remembered.size > MANY && oldest !== undefined) remembered.delete(oldest);
}

export function recallRow(): Key | undefined {
  return remembered.get(step());
}

/** The router names each step. */
function step(): string {
  const state: unknown = history.state;
  const name =
    typeof state === "object" && state !== null && "__TSR_key" in state ? state.__TSR_key : undefined;
  return typeof name === "string" ? name : location.href;
}
