/** The embedded backend, whole: scene, app and server. `serve`, the demo and the tests all open it here. */
import { SplatError } from "../errors.ts";
import { isLoopbackHost } from "../http/guard.ts";
import { startServer } from "../http/server.ts";
import { createApp } from "./app.ts";
import { Scene, type SceneOptions } from "./scene.ts";
import { startTraining } from "./trainer-thread.ts";

export interface BackendOptions extends Omit<SceneOptions, "startTraining"> {
  /** Default 127.0.0.1; any other needs a token. */
  readonly host?: string | undefined;
  /** 0 = any free one. */
  readonly port: number;
  /** Bearer token to ask for. */
  readonly token?: string | undefined;
  /** Browser origins that may call. */
  readonly corsOrigins?: readonly string[] | undefined;
  /** Default: the trainer in a worker of its own. */
  readonly startTraining?: SceneOptions["startTraining"] | undefined;
}

export interface Backend {
  /** No trailing slash. */
  readonly url: string;
  readonly scene: Scene;
  /** Let requests end, save everything, give the port and the data folder back. */
  close(): Promise<void>;
}

/**
 * Open a backend and listen. Throws `not_configured` for a host that others reach without a token, `bad_input` when the
 * data folder or the port is in use.
 */
export async function openBackend(options: BackendOptions): Promise<Backend> {
  const { host = "127.0.0.1", port, token, corsOrigins = [] } = options;
  const isLoopback = isLoopbackHost(host);
  if (!isLoopback && token === undefined) {
    throw new SplatError("not_configured", `${host} can be reached by others, and no token is set`, {
      hint: "Set SPLAT_API_TOKEN to a long random text here and where you call from, or listen on 127.0.0.1.",
    });
  }
  const scene = await Scene.open({ ...options, startTraining: options.startTraining ?? startTraining });
  try {
    const app = createApp({ scene, token, corsOrigins, isLoopback });
    const server = await startServer({
      host,
      port,
      portHint:
        "Is another splatctl serve running? Stop it, or give another port with --port (0 = any free one).",
      fetch: (request) => app.fetch(request),
    });
    return {
      url: server.url,
      scene,
      close: async () => {
        // The scene first: it ends the streams and the waits that would hold the server open.
        await Promise.all([scene.close(), server.close()]);
      },
    };
  } catch (error) {
    await scene.close();
    throw error;
  }
}
