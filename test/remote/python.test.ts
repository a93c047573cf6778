import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { silentLog } from "../../src/log.ts";
import { backendPython } from "../../src/remote/python.ts";
import { PYTHON_SETUP_TIMEOUT_MS, pythonWith } from "../helpers/python.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "splatctl-python-"));
});
afterAll(async () => rm(folder, { recursive: true }));

const signal = new AbortController().signal;
function ask(options: { python?: string; uv?: string }) {
  return backendPython({
    python: undefined,
    cacheDir: join(folder, "cache"),
    log: silentLog,
    signal,
    ...options,
  });
}

it("says what to install when the Python named is not there", async () => {
  await expect(ask({ python: "/no/such/python" })).rejects.toMatchObject({
    code: "not_configured",
    hint: expect.stringMatching(/Install uv .* or name a Python/) as string,
  });
});

it("says so when what is named is another program", async () => {
  const other = join(folder, "other");
  await writeFile(other, "#!/bin/sh\n");
  await chmod(other, 0o755);
  await expect(ask({ python: other })).rejects.toMatchObject({
    code: "not_configured",
    message: `${other} is no Python`,
  });
});

it("names the packages that a Python lacks", { timeout: PYTHON_SETUP_TIMEOUT_MS }, async (ctx) => {
  const bare = await pythonWith([]);
  if ("reason" in bare) {
    ctx.skip(bare.reason);
    return;
  }
  await expect(ask({ python: bare.python })).rejects.toMatchObject({
    code: "not_configured",
    message: expect.stringContaining("has no boto3, fastapi, numpy") as string,
    hint: expect.stringContaining("requirements-cpu.txt") as string,
  });
});

it("says what to install where there is neither a Python named nor uv", async () => {
  await expect(ask({ uv: "/no/such/uv" })).rejects.toMatchObject({
    code: "not_configured",
    message: "there is no uv to make a Python environment with",
  });
});

/** Notes what it is asked, and makes an environment whose Python prints `probed`. Shell scripts, so not on Windows. */
async function uvStandIn(
  name: string,
  probed: object | null,
): Promise<{ uv: string; asked: () => Promise<string> }> {
  const uv = join(folder, name);
  const notes = `${uv}.asked`;
  const python = `#!/bin/sh\necho '${JSON.stringify(probed)}'\n`;
  await writeFile(`${uv}.python`, python);
  const make = `for last; do :; done; mkdir -p "$last/bin"; cp "${uv}.python" "$last/bin/python"; chmod 755 "$last/bin/python"`;
  const script = `#!/bin/sh
echo "$@" >> "${notes}"
case "$1" in
  --version) echo "uv 0.9" ;;
  venv) ${make} ;;
  pip) ${probed === null ? "echo 'no index in reach' >&2; exit 1" : "true"} ;;
esac
`;
  await writeFile(uv, script);
  await chmod(uv, 0o755);
  return { uv, asked: () => readFile(notes, "utf8") };
}

describe("with uv", () => {
  beforeEach((context) =>
    context.skip(process.platform === "win32", "the stand-in for uv is a shell script"),
  );

  it("makes an environment once, from the pinned packages, and uses it again", async () => {
    const probed = { enough: true, missing: [], version: "2.6.0", gpu: null, cuda: false };
    const { uv, asked } = await uvStandIn("uv-good", probed);
    const first = await ask({ uv });
    expect(first).toMatchObject({ version: "2.6.0", gpu: null });
    expect(await ask({ uv })).toEqual(first);
    const installs = (await asked()).split("\n").filter((line) => line.startsWith("pip install"));
    expect(installs).toHaveLength(1);
    expect(installs[0]).toMatch(
      /--requirements \S+requirements-\w+\.txt --requirements \S+requirements\.txt/,
    );
    await rm(join(folder, "cache"), { recursive: true });
  });

  it("finds a Python named from the folder where it is called, for a backend that starts in another", async () => {
    const probed = { enough: true, missing: [], version: "2.6.0", gpu: null, cuda: false };
    const python = join(folder, "python-of-mine");
    await writeFile(python, `#!/bin/sh\necho '${JSON.stringify(probed)}'\n`);
    await chmod(python, 0o755);
    expect(await ask({ python: relative(".", python) })).toMatchObject({ python });
  });

  it("says why it could not, and leaves nothing half made", async () => {
    const { uv } = await uvStandIn("uv-offline", null);
    await expect(ask({ uv })).rejects.toMatchObject({
      code: "not_configured",
      message: "uv could not make the environment: no index in reach",
    });
    const { uv: good } = await uvStandIn("uv-later", {
      enough: true,
      missing: [],
      version: "2.6.0",
      gpu: "NVIDIA L4",
      cuda: true,
    });
    expect(await ask({ uv: good })).toMatchObject({ gpu: "NVIDIA L4" });
  });
});
