import { type ComponentType, use } from "react";
import { patiently } from "../api/connection";

const RELOADED = "flowmatic.reloaded";

/** Grows when what has failed may be tried again. */
let round = 0;

export function tryScreensAgain(): void {
  round += 1;
}

/** What is shown at an address, loaded when it is wanted. One that could not be loaded is loaded again when one comes back
 *  to it, or asks for it. */
export function screen(from: () => Promise<{ default: ComponentType }>) {
  let loaded: ComponentType | undefined;
  let loading: Promise<void> | undefined;
  let failedIn: number | undefined;
  /** That which was loaded when it was drawn, and what it waits for. */
  let drawn: { of: Promise<void>; until: Promise<void> } | undefined;
  const load = () => {
    if (loading === undefined || (failedIn !== undefined && failedIn !== round)) {
      failedIn = undefined;
      loading = patiently(from).then(
        (module) => {
          loaded = module.default;
        },
        (error) => {
          failedIn = round;
          throw error;
        },
      );
    }
    return loading;
  };
  function Screen() {
    if (loaded === undefined) {
      const of = load();
      // Not where it is merely loaded ahead: what is on the screen before it would be lost.
      if (drawn?.of !== of) drawn = { of, until: of.catch(reloadOnce) };
      use(drawn.until);
    }
    return loaded === undefined ? null : <LoadedScreen of={loaded} />;
  }
  return Object.assign(Screen, { preload: () => load().catch(() => {}) });
}

function LoadedScreen({ of: Loaded }: { of: ComponentType }) {
  return <Loaded />;
}

function reloadOnce(error: unknown): never {
  if (isFirstReload()) location.reload();
  throw error;
}

/** Another version of the server has no such file any more, and its page knows the right ones: once, so that the page is
 *  not loaded for ever. */
function isFirstReload(): boolean {
  try {
    const at = Number(sessionStorage.getItem(RELOADED) ?? 0);
    if (Date.now() - at < 60_000) return false;
    sessionStorage.setItem(RELOADED, String(Date.now()));
    return true;
  } catch {
    return false;
  }
}
