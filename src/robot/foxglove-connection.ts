/** One WebSocket connection to a Foxglove server, from its opening to its end. */
import type { Socket } from "node:net";
import { Agent, buildConnector, WebSocket, type MessageEvent } from "undici";
import { SUBPROTOCOLS, type MessageFrame } from "./foxglove-frames.ts";
import { FoxgloveSubscription } from "./foxglove-subscription.ts";

/** How a connection ended, or that there was none. */
export interface ConnectionEnd {
  /** Tells one trouble from another. */
  readonly kind: "unreachable" | "no-foxglove";
  /** In words for the user. */
  readonly what: string;
}

export interface FoxgloveConnection {
  readonly subscription: FoxgloveSubscription;
  readonly isOpen: boolean;
  /** Never rejects. */
  readonly ended: Promise<ConnectionEnd>;
  /** Ends it; `why` is told instead of "ended". A server that does not answer the goodbye is cut off. */
  close(why?: string): void;
}

const CONNECT_TIMEOUT_MS = 3000;
const GOODBYE_MS = 300;
/** A list of channels with their schemas is tens of KB; a message of joints under one. */
const MAX_MESSAGE_BYTES = 4 * 1024 * 1024;

/** Connect, and subscribe to one topic as soon as there is such a channel. */
export function connectFoxglove(
  url: URL,
  topic: string,
  { onMessage }: { readonly onMessage: (frame: MessageFrame) => void },
): FoxgloveConnection {
  // The socket's own events do not say why there is no connection: its connector does.
  let networkTrouble = null as string | null;
  let wire = null as Socket | null;
  let why = "ended";
  const connector = buildConnector({ timeout: CONNECT_TIMEOUT_MS });
  const agent = new Agent({
    connect: (options, callback) =>
      connector(options, (...result) => {
        if (result[0] !== null)
          networkTrouble = (result[0] as NodeJS.ErrnoException).code ?? result[0].message;
        wire = result[1];
        callback(...result);
      }),
    webSocket: { maxPayloadSize: MAX_MESSAGE_BYTES },
  });
  const socket = new WebSocket(url, { protocols: [...SUBPROTOCOLS], dispatcher: agent });
  socket.binaryType = "arraybuffer";
  const subscription = new FoxgloveSubscription(topic, (text) => socket.send(text));
  let hasOpened = false;
  // Covers a server that takes the connection and never answers.
  const deadline = setTimeout(() => socket.close(), CONNECT_TIMEOUT_MS + 1000);
  socket.addEventListener("open", () => {
    hasOpened = true;
    clearTimeout(deadline);
  });
  socket.addEventListener("message", ({ data }: MessageEvent<unknown>) => {
    if (typeof data === "string") return subscription.takeText(data);
    const frame = data instanceof ArrayBuffer ? subscription.takeFrame(data) : null;
    if (frame !== null) onMessage(frame);
  });
  const ended = new Promise<ConnectionEnd>((resolve) => {
    socket.addEventListener("close", () => {
      clearTimeout(deadline);
      void agent.destroy();
      if (hasOpened) resolve({ kind: "unreachable", what: `the connection to ${url.host} ${why}` });
      else if (networkTrouble === null)
        resolve({ kind: "no-foxglove", what: `${url.host} does not speak Foxglove` });
      else resolve({ kind: "unreachable", what: `nothing answers at ${url.host} (${networkTrouble})` });
    });
  });
  return {
    subscription,
    get isOpen() {
      return socket.readyState === WebSocket.OPEN;
    },
    ended,
    close: (reason) => {
      why = reason ?? why;
      socket.close();
      setTimeout(() => wire?.destroy(), GOODBYE_MS).unref();
    },
  };
}
