/** What a running relay says of the arm that it reads. */
import { z } from "zod";
import { askDaemon } from "../daemon/ask-daemon.ts";
import type { Finding } from "./check.ts";
import type { DoctorContext } from "./context.ts";
import { runningHere } from "./daemon-look.ts";

const statusSchema = z.object({
  relay: z
    .object({
      from: z.string(),
      receivedPerSecond: z.number(),
      silentS: z.number().nullable(),
      trouble: z.string().nullable(),
      health: z.array(
        z.object({
          name: z.string(),
          voltageV: z.number(),
          temperatureC: z.number(),
          faults: z.array(z.string()),
        }),
      ),
    })
    .optional(),
});

/** Joints this old are news. */
const SILENT_S = 2;

/** One finding for each daemon that relays joints; the arm is left to it. */
export async function relayFindings(context: DoctorContext): Promise<Finding[]> {
  const relays = (await runningHere(context)).filter((daemon) => daemon.relays);
  return await Promise.all(
    relays.map(async ({ name, url, state }): Promise<Finding> => {
      const id = `relay:${name}`;
      const look = `See what it says: \`splatctl logs ${name}\``;
      const asked = state === "silent" ? "silent" : await askDaemon(url, "/status");
      const status =
        asked === null || asked === "silent" ? undefined : statusSchema.safeParse(asked.body).data;
      if (status === undefined) {
        return {
          id,
          state: "warning",
          message: `the relay "${name}" does not say how its arm is`,
          fix: look,
        };
      }
      const { relay } = status;
      if (relay === undefined) {
        return { id, state: "warning", message: `the relay "${name}" has no joints yet`, fix: look };
      }
      return relayFinding(id, name, relay, look);
    }),
  );
}

type Relay = NonNullable<z.infer<typeof statusSchema>["relay"]>;

function relayFinding(id: string, name: string, relay: Relay, look: string): Finding {
  const { from, receivedPerSecond, silentS, trouble, health } = relay;
  const ailing = health.filter(({ faults }) => faults.length > 0);
  const facts = { daemon: name, from, received_per_second: receivedPerSecond, silent_s: silentS, health };
  const what = `the relay "${name}" reads ${from}`;
  if (silentS === null || silentS > SILENT_S) {
    const message = `${what}, and gets nothing${silentS === null ? "" : ` for ${Math.round(silentS)} s`}`;
    return { id, state: "warning", message, fix: look, facts };
  }
  if (ailing.length > 0) {
    const each = ailing.map((joint) => `${joint.name} ${joint.faults.join(", ")}`).join("; ");
    return { id, state: "warning", message: `${what}: ${each}`, fix: look, facts };
  }
  const trailing = trouble === null ? "" : `, but the backend takes none: ${trouble}`;
  const message = `${what}, ${Math.round(receivedPerSecond)} readings a second${trailing}`;
  return {
    id,
    state: trouble === null ? "ok" : "warning",
    message,
    facts,
    ...(trouble === null ? {} : { fix: look }),
  };
}
