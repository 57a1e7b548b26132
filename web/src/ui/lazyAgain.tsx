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
  let loading: Promise<void> | undefined;
  // Whoever asks while it is loaded hears of its failure, too.
  const load = async () => {
    if (loaded.get() !== undefined) return;
    loading ??= patiently(from)
      .then((module) => loaded.set(module.default))
      .finally(() => {
        loading = undefined;
      });
    await loading;
  };
  function Part({ meanwhile, ...props }: Props & { meanwhile?: ReactNode }) {
    const Loaded = useStore(loaded);
    useEffect(() => void load().catch(onFailed), []);
    return Loaded === undefined ? meanwhile : <Loaded {...(props as unknown as Props)} />;
  }
  return Object.assign(Part, { load: () => void load().catch(() => {}) });
}
