import { type ComponentType, type ReactNode, useEffect } from "react";
import { patiently } from "../api/connection";
import { store, useStore } from "../api/store";

/** A part of the application that is loaded when it is first shown, or before by `load`. One that could not be loaded
 *  takes nothing else with it: `onFailed` is told, and the next `load` or showing tries again. */
export function lazyAgain<Props extends object>(
  from: () => Promise<{ default: ComponentType<Props> }>,
  onFailed: () => void = () => {},
) {
  const loaded = store<ComponentType<Props> | undefined>(undefined);
  let isLoading = false;
  const load = async () => {
    if (isLoading || loaded.get() !== undefined) return;
    isLoading = true;
    try {
      loaded.set((await patiently(from)).default);
    } finally {
      isLoading = false;
    }
  };
  function Part({ meanwhile, ...props }: Props & { meanwhile?: ReactNode }) {
    const Loaded = useStore(loaded);
    useEffect(() => void load().catch(onFailed), []);
    return Loaded === undefined ? meanwhile : <Loaded {...(props as unknown as Props)} />;
  }
  return Object.assign(Part, { load: () => void load().catch(() => {}) });
}
