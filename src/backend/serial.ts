/** Runs jobs one after another, in the order they were given. */
export interface Serial {
  /** Resolves or rejects as the job does; a failed job does not stop those behind it. */
  <T>(job: () => Promise<T>): Promise<T>;
}

/** A line of its own for jobs that must not overlap. */
export function createSerial(): Serial {
  let last: Promise<unknown> = Promise.resolve();
  return (job) => {
    const result = last.then(job);
    last = result.catch(() => undefined);
    return result;
  };
}
