import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    dir: "test",
    globalSetup: ["./test/helpers/build-first.ts"],
    testTimeout: 30_000,
    hookTimeout: 30_000,
    pool: "forks",
    // One more than the cores of a small machine: many tests wait for programs they started.
    maxWorkers: 3,
    reporters: ["default", "./test/helpers/skip-reporter.ts"],
    // What the other SPZ reader says of every file.
    onConsoleLog: (log) => !log.startsWith("[SPZ"),
    // Nobody's bucket is written to by a test: without a folder of settings of its own, that of build-first.ts counts.
    env: { R2_ENDPOINT_URL: "", R2_BUCKET_NAME: "", R2_PUBLIC_URL: "", SPLAT_CONFIG_DIR: "" },
  },
});
