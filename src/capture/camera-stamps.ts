/** When a picture was taken, from the side lines that ffmpeg writes before each (`framecrc`), and the clocks here. */
import { preciseNowS } from "../time.ts";
import type { StampClock } from "./camera-ffmpeg-args.ts";

/** A kernel's stamp is not believed when it says that a picture was under way longer, or is still to come. */
const MOST_DELAY_S = 2;
const MOST_AHEAD_S = 0.005;
/** How long a picture that is here waits for its line, which is written before it. */
const LINE_WAIT_MS = 250;

interface Packet {
  readonly startsAt: number;
  readonly timeS: number;
}

/** Fed with the lines; asked for the time of the packet that begins at a place in the stream of pictures. */
export class PacketStamps {
  readonly #clock: StampClock;
  #rest = "";
  #unitS = Number.NaN;
  #nextAt = 0;
  readonly #packets: Packet[] = [];
  /** Of a file: the Unix time of its time 0. */
  #startS = Number.NaN;
  #isOver = false;
  #wake: () => void = () => undefined;

  constructor(clock: StampClock) {
    this.#clock = clock;
  }

  /** A piece of the lines. */
  push(text: string): void {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop() ?? "";
    for (const line of lines) this.#line(line);
    this.#wake();
  }

  /** No line comes any more. */
  end(): void {
    this.#isOver = true;
    this.#wake();
  }

  /**
   * Unix seconds at which the picture was taken whose first byte is at `startsAt`, as far as anybody here can see;
   * `arrivedAtS` when nothing tells.
   */
  async timeOf(startsAt: number, arrivedAtS: number): Promise<number> {
    const packet = this.#find(startsAt) ?? (await this.#awaited(startsAt));
    return packet === undefined ? arrivedAtS : this.#mapped(packet.timeS, arrivedAtS);
  }

  async #awaited(startsAt: number): Promise<Packet | undefined> {
    if (!this.#isOver) {
      let timer: NodeJS.Timeout | undefined;
      await new Promise<void>((resolve) => {
        this.#wake = () => {
          if (this.#isOver || this.#nextAt > startsAt) resolve();
        };
        timer = setTimeout(() => {
          // One that writes no lines never will; another is late with this one.
          if (Number.isNaN(this.#unitS)) this.#isOver = true;
          resolve();
        }, LINE_WAIT_MS);
      });
      clearTimeout(timer);
      this.#wake = () => undefined;
    }
    return this.#find(startsAt);
  }

  /** The packet that a picture lies in; those before it are done with. */
  #find(startsAt: number): Packet | undefined {
    while (this.#packets.length > 1 && this.#packets[1].startsAt <= startsAt) this.#packets.shift();
    const [first] = this.#packets;
    return first !== undefined && first.startsAt <= startsAt && startsAt < this.#nextAt ? first : undefined;
  }

  /** `#tb 0: 1/1000000`, then `stream, dts, pts, duration, size, checksum, …`. */
  #line(line: string): void {
    const unit = /^#tb 0: (\d+)\/(\d+)/.exec(line);
    if (unit !== null) this.#unitS = Number(unit[1]) / Number(unit[2]);
    const packet = /^0,\s*-?\d+,\s*(-?\d+),\s*-?\d+,\s*(\d+),/.exec(line);
    if (packet === null) return;
    this.#packets.push({ startsAt: this.#nextAt, timeS: Number(packet[1]) * this.#unitS });
    this.#nextAt += Number(packet[2]);
  }

  #mapped(timeS: number, arrivedAtS: number): number {
    if (this.#clock === "file") return this.#played(timeS, arrivedAtS);
    const candidates = this.#clock === "wall" ? [timeS] : [timeS, timeS + wallMinusMonotonicS()];
    const believed = candidates.find((candidate) => {
      const delayS = arrivedAtS - candidate;
      return delayS >= -MOST_AHEAD_S && delayS <= MOST_DELAY_S;
    });
    return believed ?? arrivedAtS;
  }

  /** A file is played from when its first picture came: later ones may be held up, none comes before its time. */
  #played(timeS: number, arrivedAtS: number): number {
    const startS = arrivedAtS - timeS;
    if (!(this.#startS <= startS)) this.#startS = startS;
    return this.#startS + timeS;
  }
}

/** Between Unix time and the clock that Linux stamps pictures with (CLOCK_MONOTONIC), seconds. */
function wallMinusMonotonicS(): number {
  return preciseNowS() - Number(process.hrtime.bigint()) / 1e9;
}
