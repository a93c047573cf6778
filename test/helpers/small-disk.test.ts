import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { writeDurably } from "../../src/backend/durable.ts";
import { smallDisk } from "./small-disk.ts";
import { temporaryFolder } from "./backend-fixture.ts";

it.each([[undefined], ["injected" as const]])(
  "has little room, and says which kind it is (%s)",
  async (kind) => {
    const disk = await smallDisk(64 * 1024, kind);
    onTestFinished(() => disk.close());
    expect(["tmpfs", "injected"]).toContain(disk.kind);
    await writeDurably(join(disk.folder, "small"), [new Uint8Array(10_000)]);
    const large = Array.from({ length: 10 }, () => new Uint8Array(10_000));
    await expect(writeDurably(join(disk.folder, "large"), large)).rejects.toMatchObject({
      refusal: { code: "storage_full" },
    });
    await expect(writeFile(join(disk.folder, "other"), new Uint8Array(100_000))).rejects.toMatchObject({
      code: "ENOSPC",
    });
    expect(await readdir(disk.folder)).toContain("small");
    expect(await readdir(disk.folder)).not.toContain("large");
    await writeFile(join(await temporaryFolder(), "elsewhere"), new Uint8Array(100_000));
  },
);
