import { useRef, useState } from "react";

/** Whether work goes on, and what begins it: not again while it does, as for a key that is held down. */
export function useOnce(): [isBusy: boolean, once: (work: () => Promise<void>) => Promise<void>] {
  const [isBusy, setIsBusy] = useState(false);
  const goesOn = useRef(false);
  const once = async (work: () => Promise<void>) => {
    if (goesOn.current) return;
    goesOn.current = true;
    setIsBusy(true);
    try {
      await work();
    } finally {
      goesOn.current = false;
      setIsBusy(false);
    }
  };
  return [isBusy, once];
}
