import { expect, test } from "vitest";
import { withoutSecrets } from "./secrets";

const bare = (text: string) => withoutSecrets(text).text;

test("blanks the value of a secret, and nothing else", () => {
  const text = `{"nodes": [{"parameters": {"auth": {"type": "bearer", "secret": "hunter2"}, "secrets": 3}}]}`;
  expect(withoutSecrets(text)).toEqual({ text: text.replace("hunter2", ""), isMissing: true });
});

test.each([
  '{"auth": {"secret_ref": "0192"}}',
  '{"client_secret": "{{x}}", "is_secret": true}',
  '{"auth": {"secret": null}}',
  '{"notes": "say {secret: 5} and \\"secret\\": 6"}',
  '{"a \\"secret": 1}',
  "",
  '{"notes": "the secret',
])("leaves %s as it is", (text) => {
  expect(withoutSecrets(text)).toEqual({ text, isMissing: false });
});

test("blanks what is no text, and one inside another", () => {
  expect(bare('{"secret": {"secret": "hunter2"}, "b": 1}')).toBe('{"secret": "", "b": 1}');
  expect(bare('{"\\u0073ecret": "hunter2"}')).toBe('{"\\u0073ecret": ""}');
  expect(bare('{"secret": "hunter1", "b": 1, "secret": "hunter2"}')).toBe(
    '{"secret": "", "b": 1, "secret": ""}',
  );
  expect(bare('{"a": {"secret": "hunter1"}, "a": {"secret": "hunter2"}}')).toBe(
    '{"a": {"secret": ""}, "a": {"secret": ""}}',
  );
  expect(bare('{"secret": 12345}')).toBe('{"secret": ""}');
});

test.each([
  ['{"a": {"secret": "hunter2', '{"a": {"secret": ""'],
  ['{"secret": "hunter2\n  "b": 1}', '{"secret": ""\n  "b": 1}'],
  ['{"secret": "hun"ter2", "b": 1', '{"secret": "", "b": 1'],
  ['{"secret": hunter2, "b": 1', '{"secret": "", "b": 1'],
  ['{"secret: "hunter2", "b": 1}', '{"secret: "", "b": 1}'],
  ["{secret: hunter2}", '{secret: ""}'],
  ['{"secret": "hun\\"ter2"} x', '{"secret": ""} x'],
  ['{"secret": \n "b": 1}', '{"secret": \n "b": 1}'],
  ['{"secret":\n "hunter2"\n} x', '{"secret":\n ""\n} x'],
])("blanks it while it is typed: %s", (text, expected) => {
  expect(bare(text)).toBe(expected);
});

test("says that one is missing, as long as it is", () => {
  const { text } = withoutSecrets('{"secret": "hunter2"}');
  expect(withoutSecrets(text)).toEqual({ text, isMissing: true });
});
