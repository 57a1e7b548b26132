/// <reference types="vitest/config" />
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";

// The server to develop against.
const server = process.env.FLOWMATIC_URL ?? "http://127.0.0.1:8080";
const proxy = Object.fromEntries(
  ["/api", "/docs", "/healthz", "/readyz"].map((path) => [path, { target: server }]),
);

// What changes never and every screen needs: the libraries, and the icons of the navigation.
const CORE = new RegExp(
  "node_modules/(react|react-dom|scheduler|use-sync-external-store|openapi-fetch" +
    "|@tanstack/(router-core|react-router|history|store|react-store" +
    "|(query-core|react-query)(?!.*[iI]nfiniteQueryObserver|.*useInfiniteQuery))" +
    "|lucide-react/dist/esm(?!/icons/)" +
    "|lucide-react/dist/esm/icons(?=/(blocks|calendar-clock|key-round|list-checks)\\.))/",
);

export default defineConfig({
  plugins: [react(), layered(), compressed()],
  build: {
    // One font or image a file: the pages' policy allows no data: in style sheets.
    assetsInlineLimit: 0,
    // All of it is a few kilobytes.
    cssCodeSplit: false,
    chunkSizeWarningLimit: 400,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    rolldownOptions: {
      output: {
        // Few files, so that a screen does not wait for dozens: what changes never, what screens share, the screens.
        codeSplitting: {
          includeDependenciesRecursively: false,
          groups: [
            {
              name: "core",
              test: CORE,
            },
            {
              name: "kit",
              test: /node_modules\/(@base-ui(?!.*csp)|@floating-ui)\/|src\/ui\/(?!Button|Keys|toast|EmptyState|JsonEditor)/,
              minShareCount: 2,
            },
          ],
        },
      },
    },
  },
  server: { proxy },
  preview: {
    proxy,
    headers: {
      // As server/src/api/pages.rs has it.
      "Content-Security-Policy":
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
        "font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    },
  },
  test: {
    environment: "happy-dom",
    include: ["src/**/*.test.{ts,tsx}"],
    setupFiles: ["src/testing.ts"],
    restoreMocks: true,
  },
});

/** The order of the layers is said in tokens.css, which does not come first: chunks have an order of their own. */
function layered(): Plugin {
  return {
    name: "flowmatic-layered",
    enforce: "post",
    apply: "build",
    generateBundle(_, bundle) {
      const order = /^@layer [^{;]+;/m.exec(readFileSync("src/ui/tokens.css", "utf8"))?.[0];
      if (order === undefined) this.error("src/ui/tokens.css says no order of layers");
      for (const file of Object.values(bundle)) {
        if (file.type === "asset" && file.fileName.endsWith(".css")) file.source = `${order}${file.source}`;
      }
    },
  };
}

/** Writes a `.gz` beside each file that becomes smaller by it; the binary serves both. */
function compressed(): Plugin {
  let folder = "dist";
  return {
    name: "flowmatic-compressed",
    apply: "build",
    configResolved(config) {
      folder = config.build.outDir;
    },
    closeBundle() {
      for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
        const path = join(entry.parentPath, entry.name);
        if (!entry.isFile() || !/\.(js|css|html|svg)$/.test(entry.name)) continue;
        const plain = readFileSync(path);
        const small = gzipSync(plain, { level: 9 });
        if (small.length < plain.length * 0.9) writeFileSync(`${path}.gz`, small);
      }
    },
  };
}
