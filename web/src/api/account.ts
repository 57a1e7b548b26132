import { queryOptions } from "@tanstack/react-query";
import { api, ask, type Schemas } from "./client";
import { begin, end, session } from "./session";

/** Who is calling, and what they may do. */
export const me = queryOptions({
  queryKey: ["me"],
  queryFn: ({ signal }) => ask(api.GET("/api/v1/auth/me", { signal })),
  staleTime: 60_000,
});

export async function logIn(login: Schemas["Login"]): Promise<void> {
  begin(await ask(api.POST("/api/v1/auth/login", { body: login })));
}

export async function setUp(setup: Schemas["Setup"]): Promise<void> {
  begin(await ask(api.POST("/api/v1/auth/setup", { body: setup })));
}

/** Here at once, whether or not the server can be told. */
export async function logOut(): Promise<void> {
  const { token } = session.get();
  const told = api.POST("/api/v1/auth/logout", { headers: { Authorization: `Bearer ${token}` } });
  end();
  await told.catch(() => undefined);
}
