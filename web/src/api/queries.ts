import { QueryClient } from "@tanstack/react-query";
import { onFound } from "./connection";
import { asFailure } from "./failure";
import { session } from "./session";

const TRIES = 2;
const SETTLING = 100;

export const queries = new QueryClient({
  defaultOptions: {
    queries: {
      // The server may be on this very machine: whether there is an internet says nothing.
      networkMode: "always",
      staleTime: 5_000,
      gcTime: 10 * 60_000,
      retry: (failures, error) => failures < TRIES && asFailure(error).mayPass,
      retryDelay: (failures) => 400 * 2 ** failures,
      throwOnError: false,
    },
    mutations: { networkMode: "always" },
  },
});

/** Asks again for what is on the screen when the server is back, and after a log-in. */
export function refreshWhenBack(): void {
  const again = () => void queries.refetchQueries({ type: "active" });
  onFound(() => {
    // The answer by which the server is known to be back may be that to a log-out.
    setTimeout(() => session.get().id !== undefined && again(), SETTLING);
  });
  let before = session.get();
  session.subscribe(() => {
    const now = session.get();
    // Another person must not see what this one had; by another e-mail alone it is the same.
    const isOther = now.email !== before.email && now.id !== before.id;
    if (now.id === undefined || isOther) queries.clear();
    else if (now.id !== before.id) again();
    before = now;
  });
}
