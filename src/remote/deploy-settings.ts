/** How the backend is to stand on Modal, and what that means for `modal deploy`. */
import { describePrice } from "./gpus.ts";
import {
  BUCKET_SECRET,
  environmentArgs,
  secretCommand,
  secretsCommand,
  TOKEN_SECRET,
} from "./modal-secrets.ts";

/** As `modal_app.py` names them. */
export const APP_NAME = "so100-live-splat";
export const SERVED = { app: APP_NAME, className: "LiveSplat", method: "web", label: APP_NAME } as const;

/** The container goes after so many seconds without a request. */
const SCALEDOWN_S = 300;

export interface DeploySettings {
  /** Environment of the workspace; null = its default. */
  readonly environment: string | null;
  /** The first that is free is taken. */
  readonly gpu: readonly string[];
  readonly strategy: "rolling" | "recreate";
  /** Minutes without a frame or joint after which a session is finished; 0 = never. */
  readonly idleStopMin: number;
  readonly scenes: readonly string[];
  readonly corsOrigins: readonly string[];
  readonly proxyAuth: boolean;
  /** Null = as the backend sees fit. */
  readonly maxGaussians: number | null;
}

/**
 * Where chunks go: the bucket that is set here, the one that a secret on Modal names already, none because there is none,
 * or none because none is wanted, whatever Modal has.
 */
export type BucketChoice = "given" | "on Modal" | "none" | "unwanted";

/** Whether chunks go to a bucket. */
export function usesBucket(bucket: BucketChoice): boolean {
  return bucket === "given" || bucket === "on Modal";
}

/** What `modal_app.py` reads when it is deployed. */
export function deployVariables(settings: DeploySettings, bucket: BucketChoice): Record<string, string> {
  const { gpu, idleStopMin, scenes, corsOrigins, proxyAuth, maxGaussians } = settings;
  return {
    SPLAT_GPU: gpu.join(","),
    SPLAT_IDLE_STOP_S: String(Math.round(idleStopMin * 60)),
    SPLAT_SCALEDOWN_S: String(SCALEDOWN_S),
    SPLAT_SCENES: scenes.join(","),
    SPLAT_PROXY_AUTH: proxyAuth ? "1" : "0",
    SPLAT_WITH_BUCKET: usesBucket(bucket) ? "1" : "0",
    ...(corsOrigins.length === 0 ? {} : { SPLAT_CORS_ORIGINS: corsOrigins.join(",") }),
    ...(maxGaussians === null ? {} : { SPLAT_MAX_GAUSSIANS: String(maxGaussians) }),
  };
}

/** The arguments of the deployment itself, in the folder where `modal_app.py` is. */
export function deployArgs({ strategy, environment }: DeploySettings): readonly string[] {
  return ["deploy", "modal_app.py", "--strategy", strategy, ...environmentArgs(environment)];
}

/** One step, as people are shown it. */
export interface PlannedStep {
  readonly what: string;
  readonly command?: string | undefined;
}

export interface Plan {
  readonly steps: readonly PlannedStep[];
  /** The environment of the deployment. */
  readonly variables: Readonly<Record<string, string>>;
}

/** What a deployment would do, secrets left out. */
export function planOf(
  settings: DeploySettings,
  {
    modal,
    template,
    bucket,
    bucketKeys,
    wait,
    makesProxyToken,
  }: {
    /** How Modal's program is called. */
    readonly modal: readonly string[];
    readonly template: string;
    readonly bucket: BucketChoice;
    readonly bucketKeys: readonly string[];
    readonly wait: boolean;
    readonly makesProxyToken: boolean;
  },
): Plan {
  const { environment } = settings;
  const line = (args: readonly string[]): string => [...modal, ...args].join(" ");
  const secret = (name: string): string => line(secretCommand(name, "FILE", environment));
  const found =
    bucket === "given"
      ? "you are asked before one that was not made from here is written over"
      : "if it is, chunks go to the bucket that it names, with SPLAT_WITH_BUCKET=1";
  const steps: PlannedStep[] = [
    { what: "ask whose account on Modal this is", command: line(["token", "info"]) },
    { what: `copy ${template} to a folder of its own, without its tests` },
    ...(bucket === "unwanted"
      ? []
      : [
          {
            what: `see whether the secret ${BUCKET_SECRET} is on Modal already: ${found}`,
            command: line(secretsCommand(environment)),
          },
        ]),
    { what: "write the API token: SPLAT_API_TOKEN=[secret]", command: secret(TOKEN_SECRET) },
  ];
  if (bucket === "given") {
    steps.push({
      what: `write the bucket's settings: ${bucketKeys.map((key) => `${key}=[secret]`).join(" ")}`,
      command: secret(BUCKET_SECRET),
    });
  }
  steps.push({ what: "build and deploy", command: line(deployArgs(settings)) }, { what: "find out its URL" });
  if (makesProxyToken) {
    steps.push({
      what: "make a proxy token",
      command: line(["workspace", "proxy-tokens", "create", "--json"]),
    });
  }
  steps.push({ what: "keep the URL and the token in your own settings" });
  if (wait) steps.push({ what: "wait until GET /health says that the trainer is ready" });
  return { steps, variables: deployVariables(settings, bucket) };
}

/** What it costs and how to end it, for whoever has just deployed. */
export function costNotes({ gpu, idleStopMin }: DeploySettings): readonly string[] {
  const forgotten =
    idleStopMin === 0
      ? "sessions are never finished by themselves (--idle-stop 0)"
      : `a session without frames is finished after ${idleStopMin} min`;
  return [
    `GPU ${gpu.join(" or ")}: ${describePrice(gpu)}, billed by the second while a container runs, plus CPU and memory`,
    `nothing runs while nobody asks: the container goes ${SCALEDOWN_S / 60} min after the last request; ${forgotten}`,
    "stop it for good with `splatctl undeploy`",
  ];
}
