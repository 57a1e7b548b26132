import { useQuery } from "@tanstack/react-query";
import { me } from "./account";
import type { Schemas } from "./client";
import { queries } from "./queries";

/** Whether the caller may do it. While that is not known yet: yes; the server decides anyway. */
export function useMay(): (scope: Schemas["Scope"]) => boolean {
  const { data } = useQuery(me);
  return (scope) => data?.scopes.includes(scope) ?? true;
}

/** Asks for what only some may see. */
export async function whereAllowed(scope: Schemas["Scope"], then: () => Promise<void>): Promise<void> {
  const { scopes } = await queries.ensureQueryData(me).catch(() => ({ scopes: [] as string[] }));
  if (scopes.includes(scope)) await then();
}
