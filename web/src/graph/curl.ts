// Lines for a shell that call a webhook as its senders must.

import type { Schemas } from "../api/client";

type Auth = Schemas["IncomingAuth"];

interface Call {
  url: string;
  method: string;
  /** JSON, where there is a body. */
  body: string | undefined;
  auth: Auth;
}

/** What the reader puts in the place of a secret. */
const SECRET = "YOUR_SECRET";

export function curl({ url, method, body, auth }: Call): string {
  const parts = ["curl", ...(method === "GET" ? [] : ["-X", method]), quote(url)];
  if (body !== undefined) parts.push("-H", quote("Content-Type: application/json"));
  if (auth.type === "hmac") return signed(auth, parts, body ?? "");
  if (auth.type === "token") parts.push("-H", quote(`${auth.header ?? "Authorization"}: ${SECRET}`));
  if (auth.type === "basic") parts.push("-u", quote(`${auth.username ?? ""}:${SECRET}`));
  if (body !== undefined) parts.push("-d", quote(body));
  return parts.join(" ");
}

/** The signature is of the exact bytes of the body, so both come from one variable. */
function signed(auth: Auth, parts: readonly string[], body: string): string {
  const digest = `openssl dgst -${auth.algorithm ?? "sha256"} -hmac ${quote(SECRET)}`;
  const write = auth.encoding === "base64" ? "-binary | base64 -w0" : "-r | cut -d' ' -f1";
  const header = `"${auth.header ?? "X-Signature"}: ${auth.prefix ?? ""}$SIGNATURE"`;
  const data = body === "" ? [] : ["-d", '"$BODY"'];
  return [
    `BODY=${quote(body)}`,
    `SIGNATURE=$(printf %s "$BODY" | ${digest} ${write})`,
    [...parts, "-H", header, ...data].join(" "),
  ].join("\n");
}

/** As one word of a shell, whatever is in it. */
function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
