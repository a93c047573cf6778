/** What the screen knows, and what its keys do. */
import type { Chunk, FrameRecord, SceneEvent, Status } from "../api/schema.ts";
import { explainShort, type SplatError } from "../errors.ts";
import { bytes } from "../quantities.ts";
import { Series } from "./dashboard-history.ts";
import type { Link, LocalLook, Note, View } from "./dashboard-view.ts";

/** What keys can do. Each answers with what came of it, in words, and throws SplatError. */
export interface Deeds {
  pause(isPaused: boolean): Promise<string>;
  stop(): Promise<string>;
  pull(): Promise<string>;
  open(): Promise<string>;
  /** The first time gently, then at once. */
  quit(): void;
}

export interface DashboardOptions {
  readonly url: string;
  readonly scene: string;
  readonly quitWord: string;
  readonly deeds: Deeds;
  /** Seconds that a backend in the cloud has been starting for; null when it is not. */
  readonly startingS: () => number | null;
  /** Something is to be shown anew; `isUrgent` when somebody waits for it. */
  readonly onChange: (isUrgent: boolean) => void;
  /** Somebody is there: a backend in the cloud may be asked again. */
  readonly onSomebody: () => void;
}

const NOTES_KEPT = 50;
/** Between two points of what is drawn over time. */
const POINT_EVERY_MS = 1000;
/** What came of a key is shown for so long. */
const SAID_MS = 15_000;
/** Keys that are about this machine alone. */
const ASKS_NOTHING: ReadonlySet<string> = new Set(["q", "p", "?", "h"]);
const NOBODY: LocalLook = { capture: null, relay: null };

/** One scene, watched. */
export class Dashboard {
  readonly #options: DashboardOptions;
  readonly #psnrTrain = new Series();
  readonly #psnrHeldOut = new Series();
  #pointMs = Number.NEGATIVE_INFINITY;
  #link: Link = { kind: "asking" };
  #status: Status | null = null;
  #seenMs = 0;
  #local: LocalLook = NOBODY;
  readonly #notes: Note[] = [];
  #question: string | null = null;
  #doing: string | null = null;
  #said: { readonly text: string; readonly isBad: boolean; readonly atMs: number } | null = null;
  #isHelp = false;
  #ending: string | null = null;
  #pauses = 0;

  constructor(options: DashboardOptions) {
    this.#options = options;
  }

  get status(): Status | null {
    return this.#status;
  }

  /** How often it was paused or resumed from here: a look that began before tells what was. */
  get pauses(): number {
    return this.#pauses;
  }

  view(nowMs: number): View {
    const { url, scene, quitWord, startingS } = this.#options;
    if (this.#said !== null && nowMs - this.#said.atMs > SAID_MS) this.#said = null;
    return {
      url,
      scene,
      quitWord,
      link: this.#link,
      startingS: startingS(),
      status: this.#status,
      seenMs: this.#seenMs,
      local: this.#local,
      psnrTrain: this.#psnrTrain.points,
      psnrHeldOut: this.#psnrHeldOut.points,
      notes: this.#notes,
      question: this.#question,
      doing: this.#doing,
      said: this.#said,
      isHelp: this.#isHelp,
      ending: this.#ending,
      nowMs,
    };
  }

  onStatus(status: Status): void {
    const before = this.#status;
    const isNewSession = before !== null && before.session_id !== status.session_id;
    const isNewProcess = before !== null && before.boot_id !== status.boot_id;
    if (isNewSession) {
      for (const series of [this.#psnrTrain, this.#psnrHeldOut]) series.clear();
      this.#pointMs = Number.NEGATIVE_INFINITY;
      this.note(isNewProcess ? "the backend was started anew with another session" : "the scene was reset");
    } else if (isNewProcess) this.note("the backend was started again");
    if (this.#link.kind === "away") this.note("the backend answers again");
    const nowMs = Date.now();
    if (status.step !== before?.step && nowMs - this.#pointMs >= POINT_EVERY_MS) {
      this.#pointMs = nowMs;
      this.#psnrTrain.add(status.psnr_train);
      this.#psnrHeldOut.add(status.psnr_holdout);
    }
    this.#link = { kind: "live" };
    this.#status = status;
    this.#seenMs = nowMs;
    this.#options.onChange(before === null || before.state !== status.state || isNewSession);
  }

  onEvent(event: Exclude<SceneEvent, { event: "status" }>): void {
    const text = describeEvent(event);
    if (text !== null) this.note(text, event.event === "warning");
  }

  onAway(error: SplatError): void {
    const sinceMs = this.#link.kind === "away" ? this.#link.sinceMs : Date.now();
    this.#link = { kind: "away", why: error.message, sinceMs };
    this.#options.onChange(false);
  }

  onAsleep(): void {
    this.#link = { kind: "asleep" };
    this.#options.onChange(true);
  }

  /** What this machine knows now. */
  onLocal(local: LocalLook): void {
    this.#local = local;
    this.#options.onChange(false);
  }

  /** Tell something. The same again is told once. */
  note(text: string, isWarning = false): void {
    if (this.#notes.at(-1)?.text === text) return;
    this.#notes.push({ atMs: Date.now(), text, isWarning });
    if (this.#notes.length > NOTES_KEPT) this.#notes.shift();
    this.#options.onChange(false);
  }

  /** It was told to end; what happens until then. */
  onEnding(what: string): void {
    if (this.#ending !== null) return;
    this.#ending = what;
    this.#question = null;
    this.#options.onChange(true);
  }

  /** A key as typed; `ctrl-c` for that one. */
  onKey(key: string): void {
    if (key === "ctrl-c") return this.#options.deeds.quit();
    if (this.#ending !== null) return;
    if (this.#wantsNews(key)) {
      this.#options.onSomebody();
      if (this.#link.kind === "asleep") this.#link = { kind: "asking" };
    }
    if (this.#question !== null) this.#answer(key);
    else if (this.#isHelp) this.#isHelp = false;
    else this.#press(key);
    this.#options.onChange(true);
  }

  /** Each question to a cloud may start a GPU. */
  #wantsNews(key: string): boolean {
    if (this.#question !== null) return key.toLowerCase() === "y";
    return !this.#isHelp && !ASKS_NOTHING.has(key);
  }

  #answer(key: string): void {
    this.#question = null;
    if (key === "y" || key === "Y") this.#start("stopping", () => this.#options.deeds.stop());
    else this.#say("nothing was stopped", false);
  }

  #press(key: string): void {
    const { deeds } = this.#options;
    if (key === "q") return deeds.quit();
    if (key === "?" || key === "h") {
      this.#isHelp = true;
      return;
    }
    if (this.#doing !== null) return;
    if (key === "s") this.#question = "Stop training and finish the scene? It takes no frames after that.";
    if (key === "g") this.#start("pulling the scene", () => deeds.pull());
    if (key === "o") this.#start("pulling the scene to open it", () => deeds.open());
    if (key === "p") {
      const isPaused = this.#local.capture?.paused !== true;
      this.#start(isPaused ? "pausing" : "resuming", async () => {
        const text = await deeds.pause(isPaused);
        this.#onPaused(isPaused);
        return text;
      });
    }
  }

  /** The next look tells the same, but a key may come before. */
  #onPaused(isPaused: boolean): void {
    this.#pauses++;
    const { capture } = this.#local;
    if (capture !== null) this.#local = { ...this.#local, capture: { ...capture, paused: isPaused } };
  }

  #start(what: string, deed: () => Promise<string>): void {
    this.#doing = `${what} ...`;
    void deed()
      .then(
        (text) => this.#say(text, false),
        (thrown: unknown) => this.#say(explainShort(thrown), true),
      )
      .finally(() => {
        this.#doing = null;
        this.#options.onChange(true);
      });
  }

  #say(text: string, isBad: boolean): void {
    this.#said = { text, isBad, atMs: Date.now() };
  }
}

/** In words, where it is worth some. */
function describeEvent(event: Exclude<SceneEvent, { event: "status" }>): string | null {
  if (event.event === "warning") return event.data.message;
  if (event.event === "chunk") return describeChunk(event.data);
  return event.event === "frame" ? describeRefusal(event.data) : null;
}

function describeChunk({ name, first_frame, last_frame, bytes: sizeBytes }: Chunk): string {
  return `${name} written: frames ${first_frame}–${last_frame}, ${bytes(sizeBytes)}`;
}

function describeRefusal({ accepted, frame_id, reason }: FrameRecord): string | null {
  return accepted ? null : `frame ${frame_id} is rejected: ${reason ?? "no reason given"}`;
}
