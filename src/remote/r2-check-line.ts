/** What a check of a bucket is made of. */
import { SplatError } from "../errors.ts";

/** What is looked at, in this order. */
export type CheckName =
  | "endpoint"
  | "clock"
  | "keys"
  | "bucket"
  | "list"
  | "read"
  | "write"
  | "conditional-write"
  | "delete"
  | "public-address"
  | "browser"
  | "cors";

/** What was found. */
export interface CheckLine {
  readonly name: CheckName;
  /** `unknown`: not tried, or the answer says nothing about it. */
  readonly state: "ok" | "no" | "unknown";
  readonly says: string;
  /** What mends it, where something does. */
  readonly hint?: string | undefined;
}

/** What a call came to. */
export type Attempt<T> = { readonly value: T } | { readonly error: SplatError };

/** A call's value, or the answer that refuses it. Throws the signal's reason, and bugs. */
export async function attempt<T>(call: Promise<T>, signal: AbortSignal): Promise<Attempt<T>> {
  try {
    return { value: await call };
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof SplatError) || error.code === "internal") throw error;
    return { error };
  }
}
