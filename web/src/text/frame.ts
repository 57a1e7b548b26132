/** What is said in place of a screen that cannot be shown: it is loaded first, with nothing else. */
export const frame = {
  broken: {
    title: "This screen could not be shown",
    text: "Nothing was changed on the server.",
    again: "Try again",
    reload: "Load the page again",
  },
};
