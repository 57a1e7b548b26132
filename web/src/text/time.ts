// Times as people read them, in the viewer's zone.

const language = "en";
const relative = new Intl.RelativeTimeFormat(language, { numeric: "auto", style: "short" });
const day = new Intl.DateTimeFormat(language, { day: "numeric", month: "short" });
const dayOfYear = new Intl.DateTimeFormat(language, { day: "numeric", month: "short", year: "numeric" });
const exact = new Intl.DateTimeFormat(language, {
  dateStyle: "medium",
  timeStyle: "long",
});

const wall = new Intl.DateTimeFormat(language, {
  weekday: "short",
  day: "numeric",
  month: "short",
  hour: "2-digit",
  minute: "2-digit",
  hourCycle: "h23",
  timeZone: "UTC",
});

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** `now`, `12 sec. ago`, `in 3 hr.`; beyond a week the day. */
export function ago(time: string, now: number): string {
  const at = Date.parse(time);
  if (Number.isNaN(at)) return time;
  const past = now - at;
  const away = Math.abs(past);
  if (away < 5 * SECOND) return "now";
  const sign = past > 0 ? -1 : 1;
  const say = (size: number, unit: Intl.RelativeTimeFormatUnit) =>
    relative.format(sign * Math.floor(away / size), unit);
  if (away < MINUTE) return say(SECOND, "second");
  if (away < HOUR) return say(MINUTE, "minute");
  if (away < DAY) return say(HOUR, "hour");
  if (away < 7 * DAY) return say(DAY, "day");
  return dayOf(time, now);
}

/** `Nov 22`, with the year where it is another than this. */
export function dayOf(time: string, now: number): string {
  const at = Date.parse(time);
  if (Number.isNaN(at)) return time;
  const same = new Date(at).getFullYear() === new Date(now).getFullYear();
  return (same ? day : dayOfYear).format(at);
}

/** With the zone, for whoever wants to know it exactly. */
export function exactly(time: string): string {
  const at = Date.parse(time);
  return Number.isNaN(at) ? time : exact.format(at);
}

/** `4 ms`, `1.2 s`, `3 min 5 s`, `2 h 4 min`. */
export function duration(milliseconds: number): string {
  if (milliseconds < SECOND) return `${Math.round(milliseconds)} ms`;
  if (milliseconds < MINUTE)
    return `${(milliseconds / SECOND).toFixed(milliseconds < 10 * SECOND ? 1 : 0)} s`;
  const whole = Math.round(milliseconds / SECOND);
  if (whole < 3600) return both(Math.floor(whole / 60), "min", whole % 60, "s");
  const minutes = Math.round(whole / 60);
  if (minutes < 24 * 60) return both(Math.floor(minutes / 60), "h", minutes % 60, "min");
  const hours = Math.round(minutes / 60);
  return both(Math.floor(hours / 24), "d", hours % 24, "h");
}

/** The same of what was measured, to the millisecond. */
export function took(milliseconds: number): string {
  return milliseconds < 1 ? "< 1 ms" : duration(milliseconds);
}

function both(large: number, largeUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${large} ${largeUnit}` : `${large} ${largeUnit} ${small} ${smallUnit}`;
}

const here = new Intl.DateTimeFormat(language, {
  weekday: "short",
  day: "numeric",
  month: "short",
  hour: "2-digit",
  minute: "2-digit",
  hourCycle: "h23",
});

/** The viewer's zone, such as `Europe/Rome`. */
export const hereZone = here.resolvedOptions().timeZone;

/** `Mon, Nov 23, 09:00` as the viewer's clocks show it. */
export function hereTime(time: string): string {
  const at = Date.parse(time);
  return Number.isNaN(at) ? time : here.format(at);
}

/** `Mon, Nov 23, 09:00` of a time with its zone's offset, as the clocks there show it. */
export function localTime(local: string): string {
  // Without its offset it is read as UTC, and said so: nothing is moved.
  const at = Date.parse(`${local.slice(0, 19)}Z`);
  return Number.isNaN(at) ? local : wall.format(at);
}
