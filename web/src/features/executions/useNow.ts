import { useEffect, useState } from "react";

const TICK = 1_000;

/** The time, by the second while something goes on. */
export function useNow(isTicking: boolean): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    if (!isTicking) return;
    const tick = () => setNow(Date.now());
    tick();
    const timer = setInterval(tick, TICK);
    return () => clearInterval(timer);
  }, [isTicking]);
  return now;
}
