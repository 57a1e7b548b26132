import { infiniteQueryOptions } from "@tanstack/react-query";
import { api, ask, type Schemas } from "./client";
import { keysKey } from "./keys";
import { queries } from "./queries";

const PAGE = 100;

export const userList = infiniteQueryOptions({
  queryKey: ["users"],
  queryFn: ({ pageParam, signal }) =>
    ask(api.GET("/api/v1/users", { params: { query: { cursor: pageParam, limit: PAGE } }, signal })),
  initialPageParam: undefined as string | undefined,
  getNextPageParam: (page) => page.next_cursor ?? undefined,
});

export function invite(person: Schemas["UserInvite"]) {
  return thenAgain(ask(api.POST("/api/v1/users", { body: person })));
}

/** A new link: for one that was lost, or for a forgotten password. */
export function renewInvitation(id: number) {
  return thenAgain(ask(api.POST("/api/v1/users/{id}/invite", { params: { path: { id } } })));
}

export function updateUser(id: number, change: Schemas["UserUpdate"]) {
  return thenAgain(ask(api.PATCH("/api/v1/users/{id}", { params: { path: { id } }, body: change })));
}

export async function deleteUser(id: number) {
  const deleted = await thenAgain(ask(api.DELETE("/api/v1/users/{id}", { params: { path: { id } } })));
  // Their maker has no name any more.
  void queries.invalidateQueries({ queryKey: keysKey });
  return deleted;
}

/** Whatever came of it, the list is asked for again: what was refused may be so because the list is old. */
async function thenAgain<T>(change: Promise<T>): Promise<T> {
  try {
    return await change;
  } finally {
    void queries.invalidateQueries({ queryKey: userList.queryKey });
  }
}
