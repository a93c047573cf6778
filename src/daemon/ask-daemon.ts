/** Asks a daemon on this machine over its control server. */
import { z } from "zod";
import { parseJson } from "../api/failure.ts";
import { SERVICE } from "./control-app.ts";
import type { RunFile } from "./run-file.ts";

const healthSchema = z.object({
  service: z.literal(SERVICE),
  name: z.string(),
  pid: z.int(),
  status: z.enum(["starting", "running", "stopping"]),
});

/** How long a daemon may take to answer: a machine that trains on all cores answers late. */
const ANSWER_MS = 3000;

/** Its JSON answer; `silent` when somebody is there and did not answer; null when nobody is. */
export type Asked = { readonly status: number; readonly body: unknown } | "silent" | null;

/** Call one route of a daemon. Never throws. */
export async function askDaemon(
  url: string,
  path: string,
  method: "GET" | "POST" = "GET",
  timeoutMs = ANSWER_MS,
): Promise<Asked> {
  try {
    const response = await fetch(`${url}${path}`, {
      method,
      signal: AbortSignal.timeout(timeoutMs),
      redirect: "manual",
    });
    return { status: response.status, body: parseJson(await response.text()) };
  } catch (error) {
    const { code } = ((error as Error).cause ?? {}) as NodeJS.ErrnoException;
    return code === "ECONNREFUSED" ? null : "silent";
  }
}

/** What the daemon of a run file is doing: null when it is not there any more, but gone or another program. */
export async function healthOf({
  name,
  pid,
  url,
}: RunFile): Promise<z.infer<typeof healthSchema>["status"] | "silent" | null> {
  const asked = await askDaemon(url, "/health");
  if (asked === null || asked === "silent") return asked;
  const health = healthSchema.safeParse(asked.body).data;
  return health !== undefined && health.name === name && health.pid === pid ? health.status : null;
}
