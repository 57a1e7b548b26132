import { CalendarClock, CirclePlay, Webhook } from "lucide-react";
import { workflows } from "../../text/workflows";
import type { Starter } from "./starters";
import "./StarterCards.css";

const texts = workflows.empty;

const CARDS = [
  { starter: "webhook", icon: Webhook, title: texts.webhook, text: texts.webhookText },
  { starter: "schedule", icon: CalendarClock, title: texts.schedule, text: texts.scheduleText },
  { starter: "manual", icon: CirclePlay, title: texts.manual, text: texts.manualText },
] as const;

/** The ways a workflow can start. With `chosen` one of them is picked, else pressing one goes on with it. */
export function StarterCards({
  label,
  chosen,
  onChoose,
}: {
  label: string;
  chosen?: Starter;
  onChoose: (starter: Starter) => void;
}) {
  return (
    <fieldset className="starters">
      <legend className={chosen === undefined ? "unseen" : "field-label"}>{label}</legend>
      {CARDS.map(({ starter, icon: Icon, title, text }) => (
        <button
          key={starter}
          type="button"
          className="starter"
          aria-pressed={chosen === undefined ? undefined : chosen === starter}
          onClick={() => onChoose(starter)}
        >
          <span className="starter-icon">
            <Icon size={18} aria-hidden />
          </span>
          <span className="starter-title">{title}</span>
          <span className="starter-text">{text}</span>
        </button>
      ))}
    </fieldset>
  );
}
