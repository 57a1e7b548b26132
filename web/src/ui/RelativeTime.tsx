import { store, useStore } from "../api/store";
import { ago, exactly } from "../text/time";

// One clock for all of them.
const clock = store(Date.now());
const TICK = 5_000;
setInterval(() => {
  if (document.visibilityState === "visible") clock.set(Date.now());
}, TICK);

/** `2 min. ago`, and the exact time in the viewer's zone for whoever points at it. */
export function RelativeTime({ time }: { time: string }) {
  useStore(clock);
  return (
    <time dateTime={time} title={exactly(time)}>
      {ago(time, Date.now())}
    </time>
  );
}
