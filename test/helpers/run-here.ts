/** The program in this process: what a command prints and how it ends, without the time that a start takes. */
import { vi } from "vitest";
import { main } from "../../src/main.ts";

export interface RanHere {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Run `splatctl ...args` with `env` in place of every setting of this process. One at a time. */
export async function runHere(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Promise<RanHere> {
  const before = process.env;
  const inherited = Object.entries(before).filter(([name]) => !/^(?:SPLAT|R2|AWS)_/.test(name));
  const kept = ([process, process.stdout, process.stderr] as const).map(listenersOf);
  const ran = { stdout: "", stderr: "" };
  const spies = (["stdout", "stderr"] as const).map((name) =>
    vi.spyOn(process[name], "write").mockImplementation((piece) => {
      ran[name] += piece.toString();
      return true;
    }),
  );
  process.env = { ...Object.fromEntries(inherited), ...env };
  process.exitCode = undefined;
  try {
    return { code: await main(["node", "splatctl", ...args]), ...ran };
  } finally {
    process.exitCode = undefined;
    process.env = before;
    for (const spy of spies) spy.mockRestore();
    for (const restore of kept) restore();
  }
}

/** Takes off what has been added since. */
function listenersOf(emitter: NodeJS.EventEmitter): () => void {
  const names = ["SIGINT", "SIGTERM", "error"];
  const known = names.map((name) => emitter.rawListeners(name));
  return () => {
    for (const [index, name] of names.entries()) {
      for (const listener of emitter.listeners(name)) {
        if (!known[index].includes(listener)) emitter.off(name, listener as () => void);
      }
    }
  };
}
