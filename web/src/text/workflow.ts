import { count } from "./text";

/** The screen of one workflow. */
export const workflow = {
  back: "Workflows",
  editor: "Workflow as JSON",
  save: "Save",
  publish: "Publish",
  saved: "Saved",
  savedOnly: "Saved, not published",
  unsaved: "Not saved yet",
  published: (version: number | undefined) => `Version ${version} is published, and on`,
  saveWrong: "It could not be saved",
  publishWrong: "It could not be published",
  mayNot: "Your role may not change workflows.",
  hasProblems: "Mend the mistakes first.",
  nothingNew: "There is nothing new to save.",
  problems: (amount: number) => count(amount, "mistake", "mistakes"),
  noProblems: "No mistakes.",
  checking: "Checking…",
  line: (line: number) => `Line ${line}`,
  triggers: "Triggers",
  noTriggers: "Nothing starts it yet: it has no trigger.",
  url: (node: string) => `Address of ${node}`,
  curl: "Call it",
  secret: (node: string) => `Secret of ${node}`,
  secretHint: "Copy it now. It is not shown again.",
  newer: "A newer draft was saved meanwhile. Nothing of yours is lost.",
  compare: "Compare",
  conflict: {
    title: "A newer draft was saved meanwhile",
    saved: "Saved",
    /** `by` is the name of who saved it; missing where that is not known. */
    byWhom: (by: string | undefined, isSelf: boolean) => {
      const who = isSelf
        ? "by you, elsewhere"
        : by === undefined
          ? "by somebody else or in another tab"
          : `by ${by}`;
      return `${who}. Yours is not saved, and not lost.`;
    },
    differences: "What is different",
    onlyTheirs: "Only in the newer draft",
    onlyMine: "Only in yours",
    theirs: "Newer draft:",
    mine: "Yours:",
    same: (lines: number) => count(lines, "line is the same", "lines are the same"),
    more: (lines: number) => `${count(lines, "line", "lines")} more`,
    saveMine: "Save mine over it",
    takeTheirs: "Take the newer draft",
    copy: "Keep mine as a copy",
    again: "A still newer draft was saved. Compare again.",
    savedMine: "Yours is saved over the newer draft",
    tookTheirs: "The newer draft is in the editor",
    undo: "Undo",
    theirsBack: "The newer draft is saved again; yours is in the editor",
    look: "A newer draft was saved meanwhile. It is in the editor now: look at it, then publish.",
  },
  gone: "This workflow was deleted meanwhile. What you typed is still here.",
  restore: "Restore it",
  restored: "It is back. Save once more.",
  copyName: (name: string) => `${name} (my copy)`,
  kept: "What you had not saved was kept.",
  keptWithoutSecrets:
    "What you had not saved was kept, without its secrets: type them again where they are empty.",
  discard: "Discard it",
  notFound: "There is no such workflow",
  lookInDeleted: "Look among the deleted",
  notFoundText: "It may have been deleted, or belong to another workspace.",
};
