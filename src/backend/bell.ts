/** Wakes whoever waits for something to do. */
export interface Bell {
  ring(): void;
  /** Resolves at the next ring, or after `ms`. */
  heard(ms?: number): Promise<void>;
}

/** A bell that nobody waits for yet. A ring that nobody hears is lost: look for work before you wait. */
export function createBell(): Bell {
  const listeners = new Set<() => void>();
  return {
    ring() {
      for (const wake of listeners) wake();
    },
    heard: (ms) =>
      new Promise((resolve) => {
        const wake = (): void => {
          clearTimeout(timer);
          listeners.delete(wake);
          resolve();
        };
        const timer = ms === undefined ? undefined : setTimeout(wake, ms);
        listeners.add(wake);
      }),
  };
}
