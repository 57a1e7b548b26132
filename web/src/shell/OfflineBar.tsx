import { WifiOff } from "lucide-react";
import { useEffect, useState } from "react";
import { tryNow, useConnection } from "../api/connection";
import { shell } from "../text/shell";
import { Button } from "../ui/Button";
import "./OfflineBar.css";

/** Says that the server is away, and when it is tried again. */
export function OfflineBar() {
  const { isLost, retryAt } = useConnection();
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    if (!isLost) return;
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), 500);
    return () => clearInterval(timer);
  }, [isLost]);
  const seconds = Math.max(0, Math.ceil((retryAt - now) / 1000));
  return (
    <div role="status">
      {isLost && (
        <div className="offline">
          <WifiOff size={16} aria-hidden />
          <span>
            <b>{shell.offline.lost}</b> <span aria-hidden>{shell.offline.trying(seconds)}</span>{" "}
            {shell.offline.kept}
          </span>
          <Button size="dense" onClick={() => void tryNow()}>
            {shell.offline.now}
          </Button>
        </div>
      )}
    </div>
  );
}
