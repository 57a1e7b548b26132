import { useQuery } from "@tanstack/react-query";
import { me } from "./account";
import type { Schemas } from "./client";

/** Whether the caller may do it. While that is not known yet: yes; the server decides anyway. */
export function useMay(): (scope: Schemas["Scope"]) => boolean {
  const { data } = useQuery(me);
  return (scope) => data?.scopes.includes(scope) ?? true;
}
