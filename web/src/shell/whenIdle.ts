/** As soon as nothing more urgent is to be done, at the latest after some seconds. */
export function whenIdle(then: () => void): () => void {
  // Safari has no such call.
  if (!("requestIdleCallback" in window)) {
    const timer = setTimeout(then, 1_000);
    return () => clearTimeout(timer);
  }
  const call = requestIdleCallback(then, { timeout: 3_000 });
  return () => cancelIdleCallback(call);
}
