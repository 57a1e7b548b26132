import { useQuery } from "@tanstack/react-query";
import type { Schemas } from "../../api/client";
import { schedulePreview } from "../../api/schedules";
import { schedules } from "../../text/schedules";
import { hereTime, hereZone, localTime } from "../../text/time";
import { Dialog } from "../../ui/Dialog";
import { ErrorCard } from "../../ui/ErrorCard";
import { SkeletonRows } from "../../ui/Skeleton";

const texts = schedules.times;

/** The next ten times, there and here. */
export function NextTimes({ schedule, onClose }: { schedule: Schemas["Schedule"]; onClose: () => void }) {
  const preview = useQuery(schedulePreview(schedule.parameters));
  const zone = preview.data?.timezone ?? schedule.timezone ?? "UTC";
  const isElsewhere = zone !== hereZone;
  return (
    <Dialog
      title={texts.title(schedule.workflow_name)}
      description={isElsewhere ? texts.zones(zone) : texts.zone(zone)}
      isOpen
      onClose={onClose}
    >
      {preview.isPending && <SkeletonRows count={4} />}
      {preview.isError && <ErrorCard error={preview.error} onRetry={() => void preview.refetch()} />}
      {preview.data?.next.length === 0 && <p className="faint">{texts.none}</p>}
      {preview.data !== undefined && preview.data.next.length > 0 && (
        <table className="next-times">
          <thead>
            <tr>
              <th scope="col">{isElsewhere ? texts.there(zone) : texts.here(zone)}</th>
              {isElsewhere && <th scope="col">{texts.here(hereZone)}</th>}
            </tr>
          </thead>
          <tbody>
            {preview.data.next.map((time) => (
              <tr key={time.at}>
                <td>{localTime(time.local)}</td>
                {isElsewhere && <td className="faint">{hereTime(time.at)}</td>}
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </Dialog>
  );
}
