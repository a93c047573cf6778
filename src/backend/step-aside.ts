/** Lets the thread that answers requests go first when there are not cores enough for all. */
import { setPriority } from "node:os";

/** Niceness of threads that train while others wait for answers. */
const NICE = 10;

/**
 * Lower the priority of the calling thread. Only on Linux, where process 0 means the calling thread alone
 * (setpriority(2), "C library/kernel differences"); elsewhere it would slow the whole process down.
 */
export function stepAside(): void {
  if (process.platform !== "linux") return;
  try {
    setPriority(0, NICE);
  } catch {
    // Not permitted here: answers are a little later, no more.
  }
}
