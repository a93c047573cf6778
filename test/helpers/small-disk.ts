/**
 * A folder with little room: a small tmpfs where this process may mount one, otherwise writes below the folder fail with
 * ENOSPC once the room is used up (this process's `node:fs/promises` only). `kind` says which.
 */
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import { mkdtemp, readdir, realpath, rm, stat } from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

export interface SmallDisk {
  readonly folder: string;
  readonly kind: "tmpfs" | "injected";
  /** Gives the room back and removes the folder. */
  close(): Promise<void>;
}

/** Make one with room for `sizeBytes`; `kind: "injected"` mounts nothing even where it could. */
export async function smallDisk(sizeBytes: number, kind?: "injected"): Promise<SmallDisk> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), "splatctl-small-")));
  if (kind === undefined && mounted(folder, sizeBytes)) {
    return {
      folder,
      kind: "tmpfs",
      close: async () => {
        execFileSync("umount", ["-l", folder]);
        await rm(folder, { recursive: true, force: true });
      },
    };
  }
  const giveBack = limitWrites(folder, sizeBytes);
  return {
    folder,
    kind: "injected",
    close: async () => {
      giveBack();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function mounted(folder: string, sizeBytes: number): boolean {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return false;
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${sizeBytes}`, "tmpfs", folder], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

type Write = (data: string | Uint8Array, ...rest: unknown[]) => Promise<unknown>;

/** Replace what opens files for writing; the imports of every module follow. */
function limitWrites(folder: string, sizeBytes: number): () => void {
  const { open, writeFile } = fs.promises;
  const check = async (data: string | Uint8Array): Promise<void> => {
    if ((await usedBytes(folder)) + data.length > sizeBytes) {
      throw Object.assign(new Error("ENOSPC: no space left on device, write"), {
        code: "ENOSPC",
        errno: -28,
      });
    }
  };
  const isBelow = (path: unknown): boolean =>
    typeof path === "string" && `${resolve(path)}/`.startsWith(`${folder}/`);
  fs.promises.open = async (path, ...rest) => {
    const handle = await open(path, ...rest);
    if (!isBelow(path)) return handle;
    for (const name of ["write", "writeFile", "appendFile"] as const) {
      const write = handle[name].bind(handle) as Write;
      const limited: Write = async (data, ...others) => {
        await check(data);
        return await write(data, ...others);
      };
      Object.defineProperty(handle, name, { value: limited });
    }
    const writev = handle.writev.bind(handle);
    const limited: typeof writev = async (buffers, ...others) => {
      await check(new Uint8Array(buffers.reduce((sum, { byteLength }) => sum + byteLength, 0)));
      return await writev(buffers, ...others);
    };
    Object.defineProperty(handle, "writev", { value: limited });
    return handle;
  };
  fs.promises.writeFile = async (file, data, ...rest) => {
    if (isBelow(file)) await check(data as string | Uint8Array);
    return await writeFile(file, data, ...rest);
  };
  syncBuiltinESMExports();
  return () => {
    Object.assign(fs.promises, { open, writeFile });
    syncBuiltinESMExports();
  };
}

async function usedBytes(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  const sizes = await Promise.all(
    files.map(({ parentPath, name }) =>
      // It may be gone by now.
      stat(join(parentPath, name)).then(
        ({ size }) => size,
        () => 0,
      ),
    ),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}
