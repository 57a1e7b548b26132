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

/** The most bytes, compressed, of what every screen loads first. */
const ENTRY = 120_000;

export default defineConfig({
  plugins: [react(), layered(), bounded(), ahead(), compressed()],
  // React has it itself.
  resolve: { alias: [{ find: /^use-sync-external-store\/shim$/, replacement: "react" }] },
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
              test: /node_modules\/(react|react-dom|scheduler|use-sync-external-store|openapi-fetch|@tanstack\/(router-core|react-router|history|store|react-store|(?:query-core|react-query)(?!.*[iI]nfiniteQueryObserver|.*useInfiniteQuery)))\//,
            },
            {
              // Of packages only what is named: their lists of all they have name what nothing uses, too.
              test: /web\/src\/(?!main)|@base-ui\/.*csp|vite\/preload-helper/,
              name: (id, context) => (isFirst(id, (one) => context.getModuleInfo(one)) ? "first" : null),
            },
            {
              name: "combobox",
              test: /node_modules\/@base-ui\/react\/(combobox|autocomplete)\/|src\/ui\/Combobox/,
              minShareCount: 2,
            },
            {
              name: "kit",
              test: /node_modules\/(@base-ui(?!.*csp)|@floating-ui|lucide-react)\/|src\/(text\/|graph\/|ui\/(?!CommandPalette|Json))/,
              minShareCount: 2,
            },
            // The rest that screens share is small: one file.
            {
              name: "shared",
              test: /src\/|node_modules\/@tanstack\//,
              minShareCount: 2,
              maxModuleSize: 8_000,
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

/** Whether every screen needs it before anything else: what starts the application imports it, by whatever ways. */
function isFirst(
  id: string,
  infoOf: (id: string) => { isEntry: boolean; importers: string[] } | null,
): boolean {
  const above = new Set([id]);
  for (const one of above) {
    const info = infoOf(one);
    if (info?.isEntry) return true;
    for (const importer of info?.importers ?? []) above.add(importer);
  }
  return false;
}

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

/** What every screen loads first has a bound, and no two files wait for each other: one would find the other empty. */
function bounded(): Plugin {
  return {
    name: "flowmatic-bounded",
    enforce: "post",
    apply: "build",
    generateBundle(_, bundle) {
      const chunks = Object.values(bundle).filter((file) => file.type === "chunk");
      const needed = (name: string) => {
        const all = new Set([name]);
        for (const one of all) {
          for (const next of chunks.find((chunk) => chunk.fileName === one)?.imports ?? []) {
            if (next === name) this.error(`${name} and ${one} need each other; change the groups`);
            all.add(next);
          }
        }
        return all;
      };
      for (const { fileName, isEntry } of chunks) {
        const first = needed(fileName);
        if (!isEntry) continue;
        const files = chunks.filter((chunk) => first.has(chunk.fileName));
        const total = files.reduce((sum, { code }) => sum + gzipSync(code, { level: 9 }).length, 0);
        if (total > ENTRY) this.error(`what every screen loads first is ${total} bytes, of ${ENTRY}`);
        this.info(`what every screen loads first is ${total} bytes compressed, of ${ENTRY}`);
      }
    },
  };
}

/** What comes right after what every screen loads first, for whoever is logged in: it is fetched beside that, and does not
 *  wait until that has run. It counts for less than what is needed first. */
function ahead(): Plugin {
  return {
    name: "flowmatic-ahead",
    apply: "build",
    transformIndexHtml: {
      order: "post",
      handler(html, { bundle }) {
        const files = Object.values(bundle ?? {});
        const chunks = files.filter((file) => file.type === "chunk");
        const wanted = new Set(chunks.filter(({ name }) => name === "Shell").map(({ fileName }) => fileName));
        for (const one of wanted) {
          for (const next of chunks.find(({ fileName }) => fileName === one)?.imports ?? []) wanted.add(next);
        }
        const font = files.find(({ fileName }) => /inter-latin-wght-.*\.woff2$/.test(fileName));
        if (wanted.size < 2 || font === undefined)
          throw new Error("the frame or its font is not in the build");
        const link = (attrs: Record<string, string | boolean>) => ({
          tag: "link",
          attrs,
          injectTo: "head" as const,
        });
        return [
          ...[...wanted]
            .filter((fileName) => !html.includes(fileName))
            .map((fileName) =>
              link({ rel: "modulepreload", crossorigin: true, fetchpriority: "low", href: `/${fileName}` }),
            ),
          link({
            rel: "preload",
            as: "font",
            type: "font/woff2",
            crossorigin: true,
            href: `/${font.fileName}`,
          }),
        ];
      },
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
