/** A two-way line of bytes, such as an open serial port. */
export interface ByteLine {
  /** Never throws: a line that cannot take bytes ends. */
  write(bytes: Uint8Array): void;
  /** One listener at a time; called with what came, as it comes. */
  onBytes(listener: (bytes: Uint8Array) => void): void;
  /** Called once when the line ended by itself, such as a port that was unplugged; at once when it has already. */
  onEnd(listener: (reason: string) => void): void;
  /** Idempotent; `onEnd` is not called for it. */
  close(): Promise<void>;
}

/** How a line comes to its end, for those who make lines: by itself, which is told once, or because it was closed. */
export class LineEnd {
  #reason: string | null = null;
  #isClosed = false;
  #listener: (reason: string) => void = () => undefined;

  get isOpen(): boolean {
    return this.#reason === null && !this.#isClosed;
  }

  /** The line ended by itself. */
  tell(reason: string): void {
    if (!this.isOpen) return;
    this.#reason = reason;
    this.#listener(reason);
  }

  listen(listener: (reason: string) => void): void {
    this.#listener = listener;
    if (this.#reason !== null) listener(this.#reason);
  }

  /** Nothing is told any more; returns whether this was the first time. */
  close(): boolean {
    const isFirst = !this.#isClosed;
    this.#isClosed = true;
    return isFirst;
  }
}
