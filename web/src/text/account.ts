/** Set-up and log-in. */
export const account = {
  email: "E-mail",
  password: "Password",
  logIn: {
    title: "Log in to Flowmatic",
    button: "Log in",
    first: "First start? Open the link that the server printed; it makes the owner.",
    emailMissing: "Enter the e-mail of your account, such as ana@example.com.",
    passwordMissing: "Enter your password.",
    wrong: "The e-mail or the password is wrong.",
    tooMany: "That were many tries. Wait a minute, then try again.",
  },
  setUp: {
    title: "Make the owner",
    text: "The owner may do everything on this server. This link works once.",
    button: "Make the owner",
    passwordHint: "At least 10 characters. A sentence is easy to remember and hard to guess.",
    emailWrong: "This is no e-mail address. One looks like ana@example.com.",
    passwordShort: (missing: number) =>
      missing === 1
        ? "One character more: it takes at least 10."
        : `${missing} characters more: it takes at least 10.`,
    strength: ["Easy to guess", "Better", "Good", "Strong"],
    noToken: "The link is not whole. Open the one that the server printed when it started.",
    noTokenTitle: "Part of the link is missing",
    taken: "There is an owner already",
    takenText: "This server has been set up. Log in with the owner's e-mail and password.",
    toLogIn: "Go to the log-in",
  },
  unreachable: "The server did not answer. Is it still running?",
};
