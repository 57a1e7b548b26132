// Names are other people's: what they hold must not change how the text around them, or they themselves, are read.

/** Controls, and what turns the direction of writing; joiners stay, for scripts and pictures are made of them. */
const UNSEEN = /[\p{Cc}\u061C\u200B\u200E\u200F\u2028\u2029\u202A-\u202E\u2060\u2066-\u2069\uFEFF]/gu;

/** A name with its control characters written out, and none of them obeyed: `\u202E` is shown as `[U+202E]`. */
export function shown(name: string): string {
  return name.replace(UNSEEN, (one) => {
    const code = one.codePointAt(0) ?? 0;
    return `[U+${code.toString(16).toUpperCase().padStart(4, "0")}]`;
  });
}
