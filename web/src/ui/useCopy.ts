import { useEffect, useRef, useState } from "react";
import { kit } from "../text/kit";
import { tell } from "./toast";

const SHOWN = 2_000;

/** Copies a text; true for two seconds afterwards. */
export function useCopy(): [isCopied: boolean, copy: (text: string) => Promise<void>] {
  const [isCopied, setIsCopied] = useState(false);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => () => clearTimeout(timer.current), []);
  const copy = async (text: string) => {
    try {
      await writeClipboard(text);
    } catch {
      tell("error", kit.copyFailed);
      return;
    }
    setIsCopied(true);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => setIsCopied(false), SHOWN);
  };
  return [isCopied, copy];
}

/** Over plain HTTP from another machine browsers have no clipboard but the old way. */
async function writeClipboard(text: string): Promise<void> {
  if (navigator.clipboard !== undefined) return navigator.clipboard.writeText(text);
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "unseen";
  document.body.append(area);
  area.select();
  const isDone = document.execCommand("copy");
  area.remove();
  if (!isDone) throw new Error("not copied");
}
