import { count, numbers } from "./text";

/** What the parts of the kit say by themselves. */
export const kit = {
  showPassword: "Show password",
  clear: "Clear",
  clearSearch: "Clear search",
  showChoices: "Show choices",
  nothingFits: "Nothing fits.",
  close: "Close",
  cancel: "Cancel",
  messages: "Messages",
  copy: "Copy",
  copied: "Copied",
  copyFailed: "The browser did not allow copying. Select the text and copy it by hand.",
  tryAgain: "Try again",
  requestId: "Request",
  lengthOf: (length: number, max: number) =>
    `${numbers.format(length)} of ${count(max, "character", "characters")}.`,
  cut: (cut: number, max: number) =>
    `What you pasted was too long: only ${numbers.format(max)} fit, and ${count(cut, "character was", "characters were")} left out.`,
  loading: "Loading",
  more: "More",
  selectRow: (name: string) => `Select ${name}`,
  selectAll: "Select all",
  showMore: (count: number) => `Show ${count} more`,
  showAll: (characters: number) => `Show all ${characters.toLocaleString("en")} characters`,
  items: (count: number) => (count === 1 ? "1 item" : `${count.toLocaleString("en")} items`),
  fields: (count: number) => (count === 1 ? "1 field" : `${count.toLocaleString("en")} fields`),
  emptyList: "empty list",
  emptyObject: "empty object",
  download: "Download",
  failures: {
    offline: "The server cannot be reached",
    slow: "The server did not answer in time",
    wrong: "The server answered something unexpected",
    refused: "This did not work",
    offlineHelp: "It may be restarting. What you see comes back by itself when it answers.",
    slowHelp: "It may be busy.",
    wrongHelp: "If it happens again, give the request's id to whoever runs the server.",
  },
};
