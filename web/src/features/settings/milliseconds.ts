const UNITS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Of a duration as the API writes it, such as `30d`. */
export function milliseconds(duration: string): number | undefined {
  const [, amount, unit = ""] = /^(\d+)(ms|s|m|h|d)$/.exec(duration) ?? [];
  const size = UNITS[unit];
  return size === undefined ? undefined : Number(amount) * size;
}
