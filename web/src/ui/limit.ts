import { type ClipboardEvent, createContext, useContext, useEffect, useState } from "react";

/** How near a text is to the most that it may be. */
export interface Limit {
  length: number;
  max: number;
  /** So much of what was pasted did not fit. */
  cut: number;
}

/** What a field's control tells its field. */
export const LimitContext = createContext<(limit: Limit | undefined) => void>(() => {});

/** Watches a text that is bounded: its field shows how near the bound is, and says so when something was cut off. */
export function useLimit(value: unknown, max: number | undefined) {
  const tell = useContext(LimitContext);
  const [cut, setCut] = useState(0);
  const length = typeof value === "string" ? value.length : 0;
  // Whoever shortens it has seen it.
  const isCut = cut > 0 && length === max;
  const isNear = max !== undefined && length >= max * 0.9 && length > max - 50;
  useEffect(() => {
    tell(max !== undefined && isNear ? { length, max, cut: isCut ? cut : 0 } : undefined);
  }, [tell, length, max, isNear, isCut, cut]);
  useEffect(() => () => tell(undefined), [tell]);
  return (event: ClipboardEvent<HTMLInputElement | HTMLTextAreaElement>) => {
    if (max === undefined) return;
    const { value: before, selectionStart, selectionEnd } = event.currentTarget;
    const replaced = (selectionEnd ?? 0) - (selectionStart ?? 0);
    setCut(before.length - replaced + event.clipboardData.getData("text/plain").length - max);
  };
}
