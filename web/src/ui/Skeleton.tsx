import { type ReactNode, useEffect, useState } from "react";
import { kit } from "../text/kit";
import "./Skeleton.css";

/** What is quicker than this needs no sign that it is loading. */
const PAUSE = 150;

/** The place of what is still loading. Nothing at first: a flash would be worse than a moment's blank. */
export function Skeleton({ children }: { children: ReactNode }) {
  const [isShown, setIsShown] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setIsShown(true), PAUSE);
    return () => clearTimeout(timer);
  }, []);
  return (
    <div role="status" aria-label={kit.loading}>
      {isShown && <div aria-hidden>{children}</div>}
    </div>
  );
}

export function SkeletonRows({ count = 8 }: { count?: number }) {
  const rows = Array.from({ length: count }, (_, row) => row);
  return (
    <Skeleton>
      {rows.map((row) => (
        <div key={row} className="skeleton-row">
          <span className={`skeleton-bar skeleton-${row % 3}`} />
          <span className="skeleton-bar skeleton-short" />
          <span className="skeleton-bar skeleton-short" />
        </div>
      ))}
    </Skeleton>
  );
}
