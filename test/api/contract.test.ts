/**
 * The contract, held against the embedded backend as a function and on a port; and against any other backend whose
 * URL is in SPLAT_CONTRACT_URL (its token in SPLAT_API_TOKEN). That run resets the backend's scene `main`.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createApp } from "../../src/backend/app.ts";
import { openBackend } from "../../src/backend/open-backend.ts";
import { Scene } from "../../src/backend/scene.ts";
import { silentLog } from "../../src/log.ts";
import { scriptedTrainer } from "../helpers/scripted-training.ts";
import type { Reach } from "./contract-reach.ts";
import { contractSuite, tokenSuite } from "./contract-suite.ts";

const TOKEN = "open-sesame";

async function overFunction(token?: string): Promise<Reach> {
  const dataDir = await mkdtemp(join(tmpdir(), "splatctl-contract-"));
  const scene = await Scene.open({ dataDir, startTraining: scriptedTrainer().start, log: silentLog });
  const app = createApp({ scene, token, corsOrigins: [], isLoopback: true });
  return {
    fetch: async (request) => app.fetch(request),
    baseUrl: "http://127.0.0.1:7860",
    close: async () => {
      await scene.close();
      await rm(dataDir, { recursive: true });
    },
  };
}

async function overPort(token?: string): Promise<Reach> {
  const dataDir = await mkdtemp(join(tmpdir(), "splatctl-contract-"));
  const startTraining = scriptedTrainer().start;
  const backend = await openBackend({ dataDir, port: 0, token, startTraining, log: silentLog });
  return {
    fetch,
    baseUrl: backend.url,
    close: async () => {
      await backend.close();
      await rm(dataDir, { recursive: true });
    },
  };
}

function overNetwork(url: string): Promise<Reach> {
  const token = process.env["SPLAT_API_TOKEN"];
  return Promise.resolve({
    fetch: (request) => {
      if (token !== undefined) request.headers.set("authorization", `Bearer ${token}`);
      return fetch(request);
    },
    baseUrl: url.replace(/\/+$/, ""),
    close: () => Promise.resolve(),
  });
}

contractSuite("embedded backend, as a function", () => overFunction());
contractSuite("embedded backend, on a port", () => overPort(), { onLoopback: true });
tokenSuite("embedded backend, as a function", () => overFunction(TOKEN), TOKEN);
tokenSuite("embedded backend, on a port", () => overPort(TOKEN), TOKEN);

const url = process.env["SPLAT_CONTRACT_URL"];
if (url === undefined) {
  process.stderr.write("contract: no other backend is tested; SPLAT_CONTRACT_URL=<url> names one\n");
} else {
  contractSuite(url, () => overNetwork(url), {
    onLoopback: /^(?:127\.|localhost$|\[::1\]$)/.test(new URL(url).hostname),
  });
}
