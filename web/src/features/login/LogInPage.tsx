import { DoorCard } from "../../shell/DoorCard";
import { account } from "../../text/account";
import { LogInForm } from "./LogInForm";

/** Where one goes on is decided by the routes, as soon as there is a session. */
export default function LogInPage() {
  return (
    <DoorCard title={account.logIn.title}>
      <LogInForm />
      <p className="door-foot">{account.logIn.first}</p>
    </DoorCard>
  );
}
