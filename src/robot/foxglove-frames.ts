/**
 * The part of the Foxglove WebSocket protocol that a reader of one JSON topic needs: channels that come and go as JSON
 * text, messages as binary frames. Protocol: foxglove/ws-protocol, docs/spec.md; LeRobot's topics and payload:
 * `lerobot/utils/foxglove_visualization.py` (v0.6.0 and later).
 */
import { z } from "zod";

/** foxglove-sdk wants the first; servers of before speak the second, with the same frames. */
export const SUBPROTOCOLS = ["foxglove.sdk.v1", "foxglove.websocket.v1"] as const;

export interface Channel {
  readonly id: number;
  readonly topic: string;
  /** Such as `json` or `protobuf`. */
  readonly encoding: string;
}

export type ServerText =
  | { readonly op: "advertise"; readonly channels: readonly Channel[] }
  | { readonly op: "unadvertise"; readonly channelIds: readonly number[] };

/** A message of a subscribed channel. */
export interface MessageFrame {
  readonly subscriptionId: number;
  /** Unix seconds, when the server logged it. */
  readonly timeS: number;
  readonly payload: Uint8Array;
}

const channelSchema = z.object({ id: z.number().int(), topic: z.string(), encoding: z.string() });
const textSchema = z.discriminatedUnion("op", [
  z.object({ op: z.literal("advertise"), channels: z.array(channelSchema) }),
  z.object({ op: z.literal("unadvertise"), channelIds: z.array(z.number().int()) }),
]);
const scalarsSchema = z.object({ scalars: z.array(z.object({ label: z.string(), value: z.unknown() })) });

const MESSAGE_DATA = 1;
const HEADER_BYTES = 13;

/** One text from the server; null for what a reader of messages need not know, and for what cannot be read. */
export function parseServerText(text: string): ServerText | null {
  const parsed = textSchema.safeParse(parseJson(text));
  return parsed.success ? parsed.data : null;
}

/** `01 | u32 subscription | u64 ns | payload`, little-endian; null for every other frame. */
export function parseMessageFrame(bytes: ArrayBuffer): MessageFrame | null {
  if (bytes.byteLength < HEADER_BYTES) return null;
  const view = new DataView(bytes);
  if (view.getUint8(0) !== MESSAGE_DATA) return null;
  const timeUs = view.getBigUint64(5, true) / 1000n;
  return {
    subscriptionId: view.getUint32(1, true),
    timeS: Number(timeUs) / 1e6,
    payload: new Uint8Array(bytes, HEADER_BYTES),
  };
}

/**
 * LeRobot's payload `{"scalars": [{"label": "shoulder_pan.pos", "value": 1.5}, …]}` as its observation; null when it is
 * something else.
 */
export function observationOf(payload: Uint8Array): Readonly<Record<string, unknown>> | null {
  const parsed = scalarsSchema.safeParse(parseJson(new TextDecoder().decode(payload)));
  if (!parsed.success) return null;
  return Object.fromEntries(parsed.data.scalars.map(({ label, value }) => [label, value]));
}

/** Asks for the messages of a channel, under a number of our own. */
export function subscribeText(subscriptionId: number, channelId: number): string {
  return JSON.stringify({ op: "subscribe", subscriptions: [{ id: subscriptionId, channelId }] });
}

/** Wants no more messages under that number. */
export function unsubscribeText(subscriptionId: number): string {
  return JSON.stringify({ op: "unsubscribe", subscriptionIds: [subscriptionId] });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
