import type { Schemas } from "../api/client";
import { count } from "./text";

type Role = Schemas["Role"];

const roles: Record<Role, string> = { owner: "Owner", editor: "Editor", viewer: "Viewer" };

/** What each role may do, in plain words. */
const may: Record<Role, string> = {
  owner: "May do everything, API keys and people included.",
  editor: "May make, change and run workflows, but not manage API keys and people.",
  viewer: "May look at everything but API keys and people, and change nothing.",
};

/** People of the workspace, and how they are invited. */
export const people = {
  title: "People",
  list: "People",
  roles,
  may,
  you: "you",
  mayNot: "Only owners may manage people.",
  mayNotTitle: "Only owners see this",
  mayNotText: (role: string) => `You are ${role}. An owner can invite people, and change what they may do.`,
  columns: {
    person: "Person",
    role: "Role",
    state: "State",
    keys: "API keys",
    seen: "Last seen",
    more: "More",
  },
  states: { active: "Can log in", invited: "Invited", disabled: "Kept out" },
  never: "Never",
  keyCount: (amount: number) => (amount === 0 ? "None" : count(amount, "key", "keys")),
  keysOf: (name: string, amount: number) => `${count(amount, "key", "keys")} made by ${name}`,
  showKeys: "Show the API keys they made",
  noKeys: "They have made none",
  keysGoOn: (amount: number) =>
    amount === 1
      ? "The API key they made goes on working."
      : `The ${amount} API keys they made go on working.`,
  roleOf: (name: string) => `Role of ${name}`,
  ownRole: "Somebody else must change your own role.",
  moreFor: (name: string) => `More for ${name}`,
  make: (role: Role) => `Make ${role === "viewer" ? "a" : "an"} ${role}`,
  newLink: "New link",
  resetLink: "Link for a new password",
  keepOut: "Keep out",
  letIn: "Let in again",
  delete: "Delete",
  notSelf: "Not yourself",
  keptOut: "Let them in first",
  isNow: (name: string, role: Role) =>
    `${name} is now ${role === "owner" || role === "editor" ? "an" : "a"} ${role}`,
  isKeptOut: (name: string) => `${name} is kept out, and logged out everywhere`,
  isLetIn: (name: string) => `${name} may log in again`,
  undo: "Undo",
  failed: "That did not work",
  alone: {
    title: "Nobody else is here yet",
    text: "Invite those who make workflows with you. Each gets a link, and chooses a password.",
  },
  invite: {
    button: "Invite",
    title: "Invite somebody",
    email: "E-mail",
    emailHint: "They log in with it. No mail is sent: you give them the link.",
    name: "Name",
    role: "They may",
    make: "Make the link",
    taken: "Somebody with this e-mail is here already.",
  },
  link: {
    title: (name: string) => `The link for ${name}`,
    text: "Give it to them alone: whoever opens it becomes them. It is shown this once, and works once.",
    label: "Invitation link",
    expires: "It works until",
    done: "Done",
  },
  remove: {
    title: (name: string) => `Delete ${name}?`,
    text: "They are logged out at once and cannot come back without an invitation. Their workflows stay. This cannot be undone.",
    keys: "API keys that they made go on working, for whoever knows them.",
    seeKeys: "See their API keys",
    button: "Delete person",
    done: (name: string) => `${name} is deleted`,
  },
};
