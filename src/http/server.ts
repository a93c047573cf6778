/** Puts an app on a port, and takes it off again without cutting anybody short. */
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { createAdaptorServer } from "@hono/node-server";
import { messageOf, SplatError } from "../errors.ts";

export interface ServerOptions {
  readonly host: string;
  /** 0 = any free one. */
  readonly port: number;
  /** What to do when the port is taken, one sentence. */
  readonly portHint?: string | undefined;
  readonly fetch: (request: Request) => Response | Promise<Response>;
}

/** A listening server. */
export interface RunningServer {
  /** Where it is called from this machine, no trailing slash. */
  readonly url: string;
  /** Take no more requests, let those under way end (for a few seconds), then close. */
  close(): Promise<void>;
}

/** Requests still under way after this are cut. */
const CLOSE_GRACE_MS = 5000;
const SWEEP_MS = 20;

/** Listen. Throws `bad_input` when the port is taken or the host is not one of this machine's. */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const { host, port, fetch } = options;
  // Its faster stand-ins for Request and Response would replace the global ones, for whoever shares this process.
  const server = createAdaptorServer({ fetch, overrideGlobalObjects: false }) as Server;
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error) => reject(cannotListen(options, error)));
    server.listen(port, host, resolve);
  });
  return { url: urlOf(host, (server.address() as AddressInfo).port), close: () => closeServer(server) };
}

async function closeServer(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  // Node closes the lines that are idle now; those whose last request ends later would stay for their next.
  const sweep = setInterval(() => server.closeIdleConnections(), SWEEP_MS);
  const cut = setTimeout(() => server.closeAllConnections(), CLOSE_GRACE_MS);
  await closed;
  clearInterval(sweep);
  clearTimeout(cut);
}

function urlOf(host: string, port: number): string {
  // A wildcard is no address to call; on this machine the loopback is behind it.
  const name = { "0.0.0.0": "127.0.0.1", "::": "[::1]" }[host] ?? (host.includes(":") ? `[${host}]` : host);
  return `http://${name}:${port}`;
}

function cannotListen({ host, port, portHint }: ServerOptions, error: NodeJS.ErrnoException): SplatError {
  if (error.code === "EADDRINUSE") {
    return new SplatError("bad_input", `port ${port} on ${host} is in use`, {
      hint: portHint ?? "Give another port with --port (0 = any free one).",
    });
  }
  return new SplatError("bad_input", `cannot listen on ${host}:${port}: ${messageOf(error)}`, {
    hint: "Give another --host or --port.",
    cause: error,
  });
}
