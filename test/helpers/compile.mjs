/**
 * For benchmarks, which are plain JavaScript: the sources and test helpers as JavaScript, in a folder from which Node
 * finds the packages.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** Compile `files` (paths from the repository's root) and all they import. */
export function compile(files) {
  const folder = mkdtempSync(join(root, "node_modules/.compiled-"));
  const settings = {
    extends: "../../tsconfig.json",
    compilerOptions: { rootDir: "../..", outDir: "." },
    files: files.map((file) => `../../${file}`),
    include: ["../../src/**/*.d.ts"],
  };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(settings));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  try {
    execFileSync(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-p", folder], {
      stdio: ["ignore", 2, 2],
    });
  } catch (error) {
    remove();
    throw error;
  }
  return {
    /** Import one of them. */
    load: (file) => import(pathToFileURL(join(folder, file.replace(/\.ts$/, ".js"))).href),
    /** Take them away. */
    remove,
  };
}
