/** What is wrong with an e-mail address, if anything is. */
export function emailProblem(email: string): string | undefined {
  if (email.trim() === "") return account.emailNone;
  return /^\S+@\S+$/.test(email.trim()) ? undefined : account.emailWrong;
}

/** Set-up, log-in, and taking up an invitation. */
export const account = {
  email: "E-mail",
  password: "Password",
  name: "Name",
  emailNone: "Enter an e-mail address, such as ana@example.com.",
  emailWrong: "This is no e-mail address. One looks like ana@example.com.",
  toLogIn: "Go to the log-in",
  logIn: {
    title: "Log in to Flowmatic",
    button: "Log in",
    forgotten: "Forgotten your password? An owner can make you a new link.",
    emailMissing: "Enter the e-mail of your account, such as ana@example.com.",
    passwordMissing: "Enter your password.",
    wrong: "The e-mail or the password is wrong.",
    tooMany: "That were many tries. Wait a minute, then try again.",
    noOwner: "This server has no owner yet",
    noOwnerText:
      "Open the link that it printed when it started. It makes the owner, who may then invite others.",
    noOwnerWhere: "The link is in the server's terminal or its log, and looks like this:",
    look: "Look again",
  },
  newPassword: {
    hint: "At least 10 characters. A sentence is easy to remember and hard to guess.",
    short: (missing: number) =>
      missing === 1
        ? "One character more: it takes at least 10."
        : `${missing} characters more: it takes at least 10.`,
    strength: ["Easy to guess", "Better", "Good", "Strong"],
  },
  setUp: {
    title: "Make the owner",
    text: "The owner may do everything on this server. This link works once.",
    button: "Make the owner",
    noToken: "The link is not whole. Open the one that the server printed when it started.",
    noTokenTitle: "Part of the link is missing",
    taken: "There is an owner already",
    takenText: "This server has been set up. Log in with the owner's e-mail and password.",
  },
  join: {
    title: "Welcome to Flowmatic",
    text: "Choose the password with which you log in from now on.",
    nameHint: "What others call you. Leave it empty to keep the one you were invited with.",
    button: "Join",
    noTokenTitle: "Part of the link is missing",
    noToken: "The link is not whole. Open the one that you were given, or ask for a new one.",
    spent: "This link cannot be used any more",
    spentText: "It was used, replaced, or is older than 7 days. Ask an owner for a new one.",
    other: (email: string) =>
      `You are logged in as ${email}. Whoever joins by this link is logged in instead.`,
  },
  unreachable: "The server did not answer. Is it still running?",
};
