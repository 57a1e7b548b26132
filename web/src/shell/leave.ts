import { logOut } from "../api/account";
import { asFailure } from "../api/failure";
import { shell } from "../text/shell";
import { sentence } from "../text/text";
import { tell } from "../ui/toast";

/** Logs out, or says why one is still logged in. */
export function leave(): void {
  logOut().catch((error) =>
    tell("error", shell.stillHere, { description: sentence(asFailure(error).message) }),
  );
}
