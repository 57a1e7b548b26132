import { useQuery } from "@tanstack/react-query";
import { authState } from "../../api/account";
import { DoorCard } from "../../shell/DoorCard";
import { account } from "../../text/account";
import { Button } from "../../ui/Button";
import { LogInForm } from "./LogInForm";

const texts = account.logIn;

/** Where one goes on is decided by the routes, as soon as there is a session. */
export default function LogInPage() {
  const state = useQuery({ ...authState, refetchOnWindowFocus: true });
  if (state.data?.has_owner === false) {
    return (
      <DoorCard title={texts.noOwner}>
        <p>{texts.noOwnerText}</p>
        <p className="door-note">
          {texts.noOwnerWhere} <code>{location.origin}/setup#token=…</code>
        </p>
        <div className="door-form">
          <Button onClick={() => void state.refetch()} isBusy={state.isRefetching}>
            {texts.look}
          </Button>
        </div>
      </DoorCard>
    );
  }
  return (
    <DoorCard title={texts.title}>
      <LogInForm />
      <p className="door-foot">{texts.forgotten}</p>
    </DoorCard>
  );
}
