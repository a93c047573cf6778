/**
 * A door on this machine to an RTSP camera that wants a login. ffmpeg takes addresses on its command line alone, which
 * everybody here can read: so it is given the door's, and the login is added behind it.
 */
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { messageOf } from "../errors.ts";
import { authorizationFor, loginOf } from "./camera-login.ts";
import { headerOf, headersOf, RtspCutter } from "./camera-rtsp-text.ts";

/** A door that is open. */
export interface RtspDoor {
  /** What ffmpeg is given; holds no secret. */
  readonly url: string;
  /** Why the camera could not be reached, in the words of the system; null when it could. */
  readonly trouble: () => string | null;
  readonly close: () => void;
}

const PATH = "/splatctl-camera";
const PORTS = { "rtsp:": 554, "rtsps:": 322 } as const;
const CONNECT_MS = 10_000;

/** Open one for an address, its login in it. */
export async function openRtspDoor(camera: URL): Promise<RtspDoor> {
  const sockets = new Set<Socket>();
  let trouble: string | null = null;
  const server = createServer((client) => {
    const far = connectTo(camera);
    for (const socket of [client, far]) {
      sockets.add(socket);
      socket.setNoDelay(true);
      socket.once("close", () => sockets.delete(socket));
    }
    client.on("error", () => far.destroy()).on("close", () => far.destroy());
    far
      .on("error", (error: NodeJS.ErrnoException) => (trouble = words(error)))
      .on("close", () => client.destroy());
    join(client, far, { camera, local: url });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `rtsp://127.0.0.1:${(server.address() as AddressInfo).port}${PATH}`;
  return {
    url,
    trouble: () => trouble,
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

function connectTo(camera: URL): Socket {
  const protocol = camera.protocol as keyof typeof PORTS;
  const host = camera.hostname.replace(/^\[|\]$/g, "");
  const port = camera.port === "" ? PORTS[protocol] : Number(camera.port);
  const socket =
    protocol === "rtsps:" ? connectTls({ host, port, servername: host }) : connect({ host, port });
  socket.setTimeout(CONNECT_MS, () => {
    if (socket.connecting) socket.destroy(Object.assign(new Error("timed out"), { code: "ETIMEDOUT" }));
  });
  return socket;
}

interface Request {
  readonly head: string;
  readonly body: Buffer;
  /** The challenge that was answered already; null while none was. */
  readonly answered: string | null;
}

/** Let requests through with the login, and everything else as it is. */
function join(client: Socket, far: Socket, { camera, local }: { camera: URL; local: string }): void {
  const login = loginOf(camera);
  const bare = new URL(camera);
  bare.username = "";
  bare.password = "";
  /** Requests that are not answered yet, by their number. */
  const asked = new Map<string, Request>();
  let challenge: string | null = null;

  const ask = (request: Request): void => {
    const [method, uri] = request.head.split(" ");
    const authorization =
      login === null || request.answered === null
        ? null
        : authorizationFor(login, request.answered, { method, uri });
    const head = authorization === null ? request.head : `${request.head}\r\nAuthorization: ${authorization}`;
    asked.set(headerOf(request.head, "cseq") ?? "", request);
    far.write(`${head}\r\n\r\n`, "latin1");
    far.write(request.body);
  };
  const fromClient = new RtspCutter();
  client.on("data", (piece) =>
    guarded(() => {
      for (const part of fromClient.push(piece)) {
        if (part.kind === "media") far.write(part.bytes);
        else ask({ ...part, head: part.head.replace(local, () => bare.href), answered: challenge });
      }
    }),
  );
  const fromCamera = new RtspCutter();
  far.on("data", (piece) =>
    guarded(() => {
      for (const part of fromCamera.push(piece)) {
        if (part.kind === "media") {
          if (!client.write(part.bytes)) far.pause();
          continue;
        }
        const request = asked.get(headerOf(part.head, "cseq") ?? "");
        asked.delete(headerOf(part.head, "cseq") ?? "");
        const wanted = headersOf(part.head, "www-authenticate").join(", ");
        const isRefused = /^RTSP\/1\.\d 401/.test(part.head) && wanted !== "";
        // Asked once more with what is wanted now; a second no is the camera's answer.
        if (isRefused && login !== null && request !== undefined && request.answered !== wanted) {
          challenge = wanted;
          ask({ ...request, answered: wanted });
          continue;
        }
        client.write(`${part.head}\r\n\r\n`, "latin1");
        client.write(part.body);
      }
    }),
  );
  client.on("drain", () => far.resume());

  function guarded(job: () => void): void {
    try {
      job();
    } catch {
      far.destroy();
      client.destroy();
    }
  }
}

function words(error: NodeJS.ErrnoException): string {
  const known: Readonly<Record<string, string>> = {
    ECONNREFUSED: "connection refused",
    ENOTFOUND: "name or service not known",
    EAI_AGAIN: "temporary failure in name resolution",
    EHOSTUNREACH: "no route to host",
    ENETUNREACH: "network is unreachable",
    ETIMEDOUT: "timed out",
  };
  return known[error.code ?? ""] ?? messageOf(error);
}
