import { defineConfig } from "@playwright/test";

export default defineConfig({
  testDir: ".",
  outputDir: "test-results",
  fullyParallel: true,
  workers: 2,
  // One that passes at the second try has failed.
  retries: 0,
  timeout: 60_000,
  expect: { timeout: 15_000 },
  forbidOnly: true,
  reporter: [["list"]],
  use: {
    viewport: { width: 1440, height: 900 },
    locale: "en-GB",
    timezoneId: "Europe/Rome",
    permissions: ["clipboard-read", "clipboard-write"],
    contextOptions: { reducedMotion: "reduce" },
    launchOptions: {
      executablePath: process.env.FLOWMATIC_CHROMIUM ?? "/usr/bin/chromium",
      // As root, as in tests/run, Chromium has no sandbox of its own.
      args: ["--no-sandbox"],
    },
  },
});
