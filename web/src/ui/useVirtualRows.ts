import { type RefObject, startTransition, useEffect, useLayoutEffect, useState } from "react";

/** Of a row, and of one that is a card; Table.css has the same. */
const ROW = 44;
const CARD = 76;
const NARROW = "(width < 700px)";
/** The range moves by so many rows at a time, and reaches as far beyond what is in sight. */
const STEP = 8;
/** So many rows before the end more are asked for. */
const EARLY = 50;

/** Milliseconds until the first rows are painted. */
const SETTLING = 100;

interface Range {
  /** The first row that is drawn, and the one after the last. */
  first: number;
  end: number;
  /** The room of those before and after, in pixels. */
  before: number;
  after: number;
}

/** Which rows to draw. All are of one height, and the page scrolls, not the table: so this is a division. */
export function useVirtualRows(
  body: RefObject<HTMLElement | null>,
  count: number,
  onEnd: (() => void) | undefined,
): Range {
  const height = useRowHeight();
  const [first, setFirst] = useState(0);
  const [seen, setSeen] = useState(() => Math.ceil(innerHeight / height));
  useLayoutEffect(() => {
    const look = () => {
      const above = -(body.current?.getBoundingClientRect().top ?? 0);
      const step = Math.floor(above / height / STEP) * STEP - STEP;
      setFirst(Math.max(0, Math.min(step, count - 1)));
      setSeen(Math.ceil(innerHeight / height));
    };
    look();
    addEventListener("scroll", look, { passive: true });
    addEventListener("resize", look);
    return () => {
      removeEventListener("scroll", look);
      removeEventListener("resize", look);
    };
  }, [body, height, count]);
  // What is in sight is drawn first, and what lies beyond it after that.
  const [beyond, setBeyond] = useState(0);
  useEffect(() => {
    const timer = setTimeout(() => startTransition(() => setBeyond(3 * STEP)), SETTLING);
    return () => clearTimeout(timer);
  }, []);
  const end = Math.min(count, first + seen + beyond);
  const isNearEnd = end >= count - EARLY;
  useEffect(() => {
    if (isNearEnd && count > 0) onEnd?.();
  }, [isNearEnd, count, onEnd]);
  return { first, end, before: first * height, after: (count - end) * height };
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
