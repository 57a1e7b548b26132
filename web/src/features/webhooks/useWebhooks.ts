import { useInfiniteQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { workflowList } from "../../api/workflows";

export interface Webhook {
  id: string;
  webhookId: string;
  url: string;
  node: string;
  workflow: { id: string; name: string };
  state: "live" | "off" | "draft";
}

/** The webhooks of all workflows, as far as those have been read. */
export function useWebhooks() {
  const list = useInfiniteQuery(workflowList({}));
  const rows = useMemo(
    () =>
      (list.data?.pages ?? [])
        .flatMap((page) => page.data)
        .flatMap(({ id, name, active, version, triggers }) =>
          triggers.flatMap((trigger): Webhook[] => {
            if (trigger.url === undefined || trigger.webhook_id === undefined) return [];
            const state = version === undefined ? "draft" : active ? "live" : "off";
            const { url, node, webhook_id: webhookId } = trigger;
            return [{ id: trigger.id, webhookId, url, node, workflow: { id, name }, state }];
          }),
        ),
    [list.data],
  );
  return { list, rows };
}
