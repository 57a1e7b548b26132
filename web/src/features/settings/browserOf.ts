import { settings } from "../../text/settings";

// In this order: each of them also calls itself one of those below it.
const BROWSERS: readonly [RegExp, string][] = [
  [/Edg(e|A|iOS)?\//, "Edge"],
  [/OPR\//, "Opera"],
  [/SamsungBrowser\//, "Samsung Internet"],
  [/(Firefox|FxiOS)\//, "Firefox"],
  [/(Chrome|Chromium|CriOS)\//, "Chrome"],
  [/Safari\//, "Safari"],
];

const SYSTEMS: readonly [RegExp, string][] = [
  [/iPhone|iPad/, "iOS"],
  [/Android/, "Android"],
  [/Windows/, "Windows"],
  [/Mac OS X|Macintosh/, "macOS"],
  [/CrOS/, "ChromeOS"],
  [/Linux|X11/, "Linux"],
];

/** `Firefox on Linux`, of what a browser calls itself; another program by its own first word. */
export function browserOf(userAgent: string | undefined): string {
  if (userAgent === undefined || userAgent.trim() === "") return settings.sessions.unknown;
  const find = (known: readonly [RegExp, string][]) => known.find(([sign]) => sign.test(userAgent))?.[1];
  const browser = find(BROWSERS);
  if (browser === undefined) return userAgent.split(/[\s/(]/)[0] || settings.sessions.unknown;
  const system = find(SYSTEMS);
  return system === undefined ? browser : settings.sessions.on(browser, system);
}
