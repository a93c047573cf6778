/** A server of the Foxglove WebSocket protocol, as far as LeRobot's display uses it, on a real socket. */
import type { AddressInfo } from "node:net";
import { WebSocketServer, type WebSocket } from "ws";

/** What a client may be told about a channel. */
export interface AdvertisedChannel {
  readonly id: number;
  readonly topic: string;
  readonly encoding?: string;
}

export interface FoxgloveServer {
  readonly url: string;
  readonly port: number;
  /** Texts that clients sent, parsed. */
  readonly received: readonly { readonly op: string }[];
  readonly clients: number;
  readonly protocols: readonly string[];
  /** Tells all clients, and those to come. */
  advertise(channel: AdvertisedChannel): void;
  unadvertise(id: number): void;
  /** A message to whoever subscribed to the channel. Returns how many did. */
  publish(channelId: number, payload: string | Uint8Array, timeNs: bigint): number;
  /** Anything to everybody. */
  send(data: string | Uint8Array): void;
  /** So many subscriptions are taken for ones of an unknown channel. */
  refuseSubscriptions(count: number): void;
  /** Bytes that clients have not taken yet. */
  readonly unsentBytes: number;
  /** Cut all connections, without a goodbye. */
  cut(): void;
  close(): Promise<void>;
}

/** Start one; the same port can be given again after `close`. */
export async function serveFoxglove(port = 0, subprotocol = "foxglove.sdk.v1"): Promise<FoxgloveServer> {
  const channels = new Map<number, AdvertisedChannel>();
  const subscriptions = new Map<WebSocket, Map<number, number>>();
  const received: { op: string; [key: string]: unknown }[] = [];
  const protocols: string[] = [];
  let toRefuse = 0;
  const server = new WebSocketServer({
    port,
    host: "127.0.0.1",
    handleProtocols: (offered) => (offered.has(subprotocol) ? subprotocol : false),
  });
  await new Promise<void>((resolve) => server.once("listening", resolve));
  const advertisement = (list: readonly AdvertisedChannel[]): string =>
    JSON.stringify({
      op: "advertise",
      channels: list.map((channel) => ({ encoding: "json", schemaName: "any", schema: "{}", ...channel })),
    });
  const tell = (data: string | Uint8Array): void => server.clients.forEach((client) => client.send(data));

  server.on("connection", (client) => {
    const mine = new Map<number, number>();
    subscriptions.set(client, mine);
    protocols.push(client.protocol);
    client.on("error", () => undefined);
    client.on("message", (data: Buffer) => {
      const message = JSON.parse(data.toString()) as {
        op: string;
        subscriptions?: { id: number; channelId: number }[];
        subscriptionIds?: number[];
      };
      received.push({ ...message });
      for (const { id, channelId } of message.subscriptions ?? []) {
        if (toRefuse > 0) client.send(JSON.stringify({ op: "status", level: 2, message: "Unknown channel" }));
        else mine.set(id, channelId);
        toRefuse = Math.max(0, toRefuse - 1);
      }
      for (const id of message.subscriptionIds ?? []) mine.delete(id);
    });
    client.send(JSON.stringify({ op: "serverInfo", name: "", capabilities: [], sessionId: "1" }));
    if (channels.size > 0) client.send(advertisement([...channels.values()]));
  });

  const { port: listening } = server.address() as AddressInfo;
  return {
    port: listening,
    url: `ws://127.0.0.1:${listening}`,
    get clients() {
      return server.clients.size;
    },
    get unsentBytes() {
      return [...server.clients].reduce((sum, client) => sum + client.bufferedAmount, 0);
    },
    received,
    protocols,
    advertise(channel) {
      channels.set(channel.id, channel);
      tell(advertisement([channel]));
    },
    unadvertise(id) {
      channels.delete(id);
      for (const mine of subscriptions.values()) {
        for (const [subscription, channel] of mine) if (channel === id) mine.delete(subscription);
      }
      tell(JSON.stringify({ op: "unadvertise", channelIds: [id] }));
    },
    publish(channelId, payload, timeNs) {
      let count = 0;
      for (const client of server.clients) {
        for (const [id, channel] of subscriptions.get(client) ?? []) {
          if (channel !== channelId) continue;
          client.send(messageFrame(id, payload, timeNs));
          count++;
        }
      }
      return count;
    },
    send: tell,
    refuseSubscriptions: (count) => (toRefuse = count),
    cut: () => server.clients.forEach((client) => client.terminate()),
    close: () =>
      new Promise((resolve) => {
        server.clients.forEach((client) => client.terminate());
        server.close(() => resolve());
      }),
  };
}

/** `01 | u32 subscription | u64 ns | payload`, little-endian. */
export function messageFrame(subscriptionId: number, payload: string | Uint8Array, timeNs: bigint): Buffer {
  const head = Buffer.alloc(13);
  head.writeUInt8(1, 0);
  head.writeUInt32LE(subscriptionId, 1);
  head.writeBigUInt64LE(timeNs, 5);
  return Buffer.concat([head, Buffer.from(payload)]);
}
