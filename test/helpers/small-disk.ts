/** A folder whose disk can be filled up and given room again. */
import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, rm, statfs, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";

export interface SmallDisk {
  readonly folder: string;
  /** For the test's output: a real full disk says more than an injected failure. */
  readonly how: "tmpfs" | "injected";
  /** From now on nothing can be written to `path`. */
  fill(path: string): Promise<void>;
  free(): Promise<void>;
}

/** A tmpfs of `sizeBytes` where this user may mount one; else a folder in which a directory bars the way of a file. */
export async function smallDisk(sizeBytes: number): Promise<SmallDisk> {
  const folder = await mkdtemp(join(tmpdir(), "splatctl-disk-"));
  const isTmpfs = mount(folder, sizeBytes);
  onTestFinished(async () => {
    if (isTmpfs) execFileSync("umount", ["-l", folder]);
    await rm(folder, { recursive: true, force: true });
  });
  let bar = join(folder, "filler");
  return {
    folder,
    how: isTmpfs ? "tmpfs" : "injected",
    async fill(path) {
      if (isTmpfs) {
        const { bavail, bsize } = await statfs(folder);
        // It may fill up before the last byte: whatever is under way takes some as well.
        await writeFile(bar, new Uint8Array(bavail * bsize)).catch(() => undefined);
      } else {
        bar = `${path}.part`;
        await mkdir(join(bar, "full"), { recursive: true });
      }
    },
    async free() {
      await rm(bar, { recursive: true });
    },
  };
}

function mount(folder: string, sizeBytes: number): boolean {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return false;
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${sizeBytes}`, "tmpfs", folder], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}
