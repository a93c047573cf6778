/** Joints asked for once per picture, however many want them: the gate, and the frame that passes it. */
import type { JointReading } from "../robot/joint-history.ts";
import type { JointLookup } from "./joint-lookup.ts";

/** More pictures than are ever under way. */
const MOST = 64;

/** The same lookup, whose first answer for a moment stays. */
export function rememberJoints(joints: Pick<JointLookup, "around">): Pick<JointLookup, "around"> {
  const asked = new Map<number, Promise<readonly JointReading[]>>();
  return {
    around(timeS) {
      const known = asked.get(timeS);
      if (known !== undefined) return known;
      // Without a signal: it is several readers' answer. It takes a moment at most.
      const answer = joints.around(timeS).catch(() => []);
      asked.set(timeS, answer);
      for (const [oldest] of asked) {
        if (asked.size <= MOST) break;
        asked.delete(oldest);
      }
      return answer;
    },
  };
}
