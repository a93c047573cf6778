/** The text of a status.json. Apart from what is made of it: the schemas take a while to load. */
import { bucketStatusSchema } from "../api/schema.ts";
import type { Session } from "./entry.ts";
import { damaged, sessionOfStatus } from "./session-status.ts";

/** The session of `scene` that the bytes of a status.json tell of. Throws `bad_input` when they tell of none. */
export function parseSessionStatus(scene: string, bytes: Uint8Array): Session {
  const parsed = bucketStatusSchema.safeParse(parseJson(bytes));
  if (!parsed.success) throw damaged("it has not the shape of one");
  return sessionOfStatus(scene, parsed.data);
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    return undefined;
  }
}
