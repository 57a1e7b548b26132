// Secrets as they are typed. A save takes the field `secret` out of a node's parameters and leaves a reference to it; until
// then it stands in the text.

import { locate, type Range } from "./jsonText";

const NAME = "secret";
const BLANK = '""';
const IS_BLANK = /^(""|null)?\s*$/;
/** Where such a field stands in a text that is not whole yet. Its value, on the next line only if it is a whole text, ends
 *  with the line, or with what ends a value. */
const UNFINISHED =
  /((?:(?<!\\)"secret"|(?<=[{,]\s*|^\s*)"?secret"?)\s*:(?:\s*(?="(?:[^"\\\n]|\\.)*"\s*[,}])|[ \t]*))("(?:[^"\\\n]|\\.)*"?[^,}\]\n]*|[^,}\]\n]*)/gm;

/** A text of JSON, or what is to become one, without the values of its secrets; whether it has lost one, or lacks one. */
export function withoutSecrets(text: string): { text: string; isMissing: boolean } {
  const located = locate(text);
  const bare =
    "error" in located
      ? text.replace(UNFINISHED, (field, name: string, value: string) =>
          IS_BLANK.test(value) ? field : `${name}${BLANK}`,
        )
      : blank(text, [...located.ranges, ...located.replaced]);
  return { text: bare, isMissing: bare !== text || /"secret"\s*:\s*""/.test(bare) };
}

function blank(text: string, ranges: [pointer: string, Range][]): string {
  const found = ranges.filter(([pointer]) => pointer.endsWith(`/${NAME}`)).map(([, range]) => range);
  let bare = "";
  let at = 0;
  for (const { from, to } of found.sort((a, b) => a.from - b.from)) {
    // One inside another went with it.
    if (from < at || IS_BLANK.test(text.slice(from, to))) continue;
    bare += text.slice(at, from) + BLANK;
    at = to;
  }
  return bare + text.slice(at);
}
