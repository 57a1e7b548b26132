import { cleanup, render, screen, waitFor } from "@testing-library/react";
import { afterEach, expect, test, vi } from "vitest";
import { lazyAgain } from "./lazyAgain";

afterEach(cleanup);

test("loads again what could not be loaded, and breaks nothing else", async () => {
  vi.stubGlobal("fetch", async () => new Response("", { status: 200 }));
  let tries = 0;
  const onFailed = vi.fn();
  const Part = lazyAgain<{ name: string }>(async () => {
    tries += 1;
    if (tries === 1) throw new Error("no such file");
    return { default: ({ name }) => <p>Here is {name}</p> };
  }, onFailed);
  // Ahead; who shows it meanwhile hears of the failure.
  Part.load();
  const first = render(
    <>
      <p>The rest</p>
      <Part name="Ana" meanwhile="soon" />
    </>,
  );
  await waitFor(() => expect(onFailed).toHaveBeenCalledOnce());
  expect(screen.getByText("The rest")).toBeTruthy();
  first.unmount();
  render(<Part name="Ana" />);
  expect(await screen.findByText("Here is Ana")).toBeTruthy();
  expect(tries).toBe(2);
  vi.unstubAllGlobals();
});
