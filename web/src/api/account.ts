import { queryOptions } from "@tanstack/react-query";
import { api, ask, type Schemas } from "./client";
import { asFailure, Failure } from "./failure";
import { queries } from "./queries";
import { begin, end, know, session } from "./session";

/** Who is calling, and what they may do. */
export const me = queryOptions({
  queryKey: ["me"],
  queryFn: async ({ signal }) => {
    const { id } = session.get();
    const who = await ask(api.GET("/api/v1/auth/me", { signal }));
    // Of this log-in, not of one before it.
    if (who.user && session.get().id === id) know(who.user);
    return who;
  },
  staleTime: 60_000,
  enabled: () => session.get().id !== undefined,
});

/** Whether somebody has made the owner. */
export const authState = queryOptions({
  queryKey: ["auth-state"],
  queryFn: ({ signal }) => ask(api.GET("/api/v1/auth/state", { signal })),
  staleTime: 0,
});

export async function logIn(login: Schemas["Login"]): Promise<void> {
  await enter(ask(api.POST("/api/v1/auth/login", { body: { ...login, cookie: true } })));
}

export async function setUp(setup: Schemas["Setup"]): Promise<void> {
  try {
    await enter(ask(api.POST("/api/v1/auth/setup", { body: { ...setup, cookie: true } })));
  } catch (error) {
    if (asFailure(error).status === 409) queries.setQueryData(authState.queryKey, { has_owner: true });
    throw error;
  }
}

/** Takes up an invitation, or chooses a new password by such a link. */
export async function join(joining: Schemas["UserJoin"]): Promise<void> {
  await enter(ask(api.POST("/api/v1/auth/join", { body: { ...joining, cookie: true } })));
}

async function enter(made: Promise<Schemas["Session"]>): Promise<void> {
  const { user } = await made;
  let who: Schemas["Me"];
  try {
    who = await ask(api.GET("/api/v1/auth/me"));
  } catch (error) {
    if (asFailure(error).status !== 401) throw error;
    const message =
      "your browser did not keep the session; allow cookies, and open the server at its own address";
    throw new Failure("wrong", message);
  }
  begin(user);
  queries.setQueryData(me.queryKey, who);
}

/** Where the server cannot be told, one stays logged in: only it can end the session. */
export async function logOut(): Promise<void> {
  try {
    await ask(api.POST("/api/v1/auth/logout"));
  } catch (error) {
    if (asFailure(error).status !== 401) throw error;
  }
  end();
}

export async function updateMe(change: Schemas["ProfileUpdate"]): Promise<void> {
  const who = await ask(api.PATCH("/api/v1/auth/me", { body: change }));
  queries.setQueryData(me.queryKey, who);
  if (who.user) know(who.user);
}

/** All other sessions end. */
export async function changePassword(change: Schemas["PasswordChange"]): Promise<void> {
  await ask(api.POST("/api/v1/auth/password", { body: change }));
  await queries.invalidateQueries({ queryKey: sessionList.queryKey });
}

/** Where one is logged in. */
export const sessionList = queryOptions({
  queryKey: ["sessions"],
  queryFn: ({ signal }) => ask(api.GET("/api/v1/auth/sessions", { signal })),
});

export async function endSession(id: string): Promise<void> {
  await ask(api.DELETE("/api/v1/auth/sessions/{id}", { params: { path: { id } } }));
  await queries.invalidateQueries({ queryKey: sessionList.queryKey });
}
