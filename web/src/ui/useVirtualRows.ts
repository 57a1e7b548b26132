import { useWindowVirtualizer } from "@tanstack/react-virtual";
import { type RefObject, useEffect, useLayoutEffect, useState } from "react";

const ROW = 44;
/** Of a row that is a card. */
const CARD = 76;
const NARROW = "(width < 700px)";
/** Rows above and below those in sight. */
const BEYOND = 12;

/** Which rows to draw, and the room of those before and after. The page scrolls, not the table. */
export function useVirtualRows(
  body: RefObject<HTMLElement | null>,
  count: number,
  onEnd: (() => void) | undefined,
): { items: number[]; before: number; after: number } {
  const height = useRowHeight();
  const [top, setTop] = useState(0);
  useLayoutEffect(() => {
    const now = body.current;
    if (now !== null) setTop(now.getBoundingClientRect().top + scrollY);
  }, [body]);
  const virtualizer = useWindowVirtualizer({
    count,
    estimateSize: () => height,
    overscan: BEYOND,
    scrollMargin: top,
    // Before the first measure, which comes after the first paint.
    initialRect: { width: innerWidth, height: innerHeight },
  });
  useEffect(() => {
    void height;
    virtualizer.measure();
  }, [height, virtualizer]);
  const drawn = virtualizer.getVirtualItems();
  const first = drawn[0]?.index ?? 0;
  const last = drawn.at(-1)?.index ?? -1;
  const isAtEnd = last >= count - BEYOND;
  useEffect(() => {
    if (isAtEnd && count > 0) onEnd?.();
  }, [isAtEnd, count, onEnd]);
  return {
    items: drawn.map((item) => item.index),
    before: first * height,
    after: Math.max(0, (count - last - 1) * height),
  };
}

function useRowHeight(): number {
  const [isNarrow, setIsNarrow] = useState(() => matchMedia(NARROW).matches);
  useEffect(() => {
    const query = matchMedia(NARROW);
    const follow = () => setIsNarrow(query.matches);
    query.addEventListener("change", follow);
    return () => query.removeEventListener("change", follow);
  }, []);
  return isNarrow ? CARD : ROW;
}
