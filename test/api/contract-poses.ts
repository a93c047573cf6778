/** The part of the contract suite that is about where frames were taken from. */
import { describe, expect, it } from "vitest";
import { jointResponseSchema, type FrameMeta, type PoseSource } from "../../src/api/schema.ts";
import { nowS, sleep } from "../../src/time.ts";
import { orbit, picture, type Caller } from "./contract-reach.ts";

const LEFT = [0.5, 0, 0, 0, 0, 0];
const RIGHT = [-0.5, 0, 0, 0, 0, 0];
const MIDDLE = [0, 0, 0, 0, 0, 0];

/** Define the tests. */
export function poseTests(backend: () => Caller): void {
  async function joints(joint_angles: number[], captured_at?: number): Promise<void> {
    const body = { joint_angles, captured_at };
    await backend().ok(jointResponseSchema, "POST", "/update-joint-angles", body);
  }
  async function place(meta: FrameMeta): Promise<PoseSource> {
    return (await backend().upload(await picture(1), meta)).pose_source;
  }
  async function poseOf(frameId: string): Promise<number[]> {
    const found = (await backend().frames()).find(({ frame_id }) => frame_id === frameId);
    return found?.camera_to_world?.flat() ?? [];
  }
  async function expectSamePose(a: string, b: string): Promise<void> {
    const [poseA, poseB] = [await poseOf(a), await poseOf(b)];
    expect(poseA).toHaveLength(16);
    poseA.forEach((value, i) => expect(value).toBeCloseTo(poseB[i], 6));
  }

  describe("where a frame was taken from", () => {
    it("the first source that exists wins", async () => {
      const t = nowS();
      const joint_angles = LEFT;
      const joint_samples: FrameMeta["joint_samples"] = [
        [t - 0.1, LEFT],
        [t + 0.1, RIGHT],
      ];
      expect(await place({})).toBe("default");
      await joints(LEFT, t - 0.05);
      expect(await place({})).toBe("latest");
      await joints(RIGHT, t + 0.05);
      expect(await place({ captured_at: t })).toBe("interpolated");
      expect(await place({ captured_at: t, joint_angles })).toBe("meta");
      expect(await place({ captured_at: t, joint_angles, joint_samples })).toBe("samples");
    });

    it("a given pose wins over everything, and is kept as given", async () => {
      const t = nowS();
      await joints(LEFT, t);
      const meta: FrameMeta = {
        frame_id: "a",
        captured_at: t,
        joint_angles: LEFT,
        camera_to_world: orbit(1),
      };
      expect(await place(meta)).toBe("camera_to_world");
      (await poseOf("a")).forEach((value, i) => expect(value).toBeCloseTo(orbit(1).flat()[i], 6));
    });

    it("given poses and joint poses do not mix in one scene", async () => {
      await place({ camera_to_world: orbit(0) });
      await backend().uploadNo("conflict", await picture(2), { joint_angles: LEFT });
      expect((await backend().status()).frame_count).toBe(1);
    });

    it("joints are interpolated at the shutter, from samples and from updates alike", async () => {
      const t = nowS();
      await place({ frame_id: "known", joint_angles: MIDDLE });
      const joint_samples: FrameMeta["joint_samples"] = [
        [t - 0.1, LEFT],
        [t + 0.1, RIGHT],
      ];
      await place({ frame_id: "samples", captured_at: t, joint_samples });
      await joints(LEFT, t - 0.1);
      await joints(RIGHT, t + 0.1);
      await place({ frame_id: "updates", captured_at: t });
      await place({ frame_id: "other", joint_angles: LEFT });
      await expectSamePose("samples", "known");
      await expectSamePose("updates", "known");
      expect(await poseOf("other")).not.toEqual(await poseOf("known"));
    });

    it("readings more than 250 ms apart are not interpolated", async () => {
      const t = nowS();
      await joints(LEFT, t - 0.2);
      await joints(RIGHT, t + 0.2);
      expect(await place({ captured_at: t })).toBe("latest");
    });

    it("waits for the later reading, and /frames shows that it came", async () => {
      const t = nowS();
      await joints(LEFT, t - 0.1);
      const sentAtS = nowS();
      expect(await place({ frame_id: "a", captured_at: t })).toBe("pending");
      await joints(RIGHT, t + 0.1);
      // Over a slow line the reading may come after the 250 ms; then the frame has made do with the latest.
      const inTime = nowS() - sentAtS < 0.25;
      const [{ pose_source }] = await backend().frames();
      expect(inTime ? ["interpolated"] : ["interpolated", "latest"]).toContain(pose_source);
    });

    it("makes do with the latest joints when the later reading does not come", async () => {
      const t = nowS();
      await joints(LEFT, t - 0.1);
      expect(await place({ frame_id: "a", captured_at: t })).toBe("pending");
      await sleep(400);
      expect((await backend().frames())[0].pose_source).toBe("latest");
    });

    it("says how old a frame's joints are, in the answer and in the list", async () => {
      const t = nowS();
      const joint_samples: FrameMeta["joint_samples"] = [
        [t - 0.1, LEFT],
        [t + 0.1, RIGHT],
      ];
      const expectAge = async (meta: FrameMeta, wantedS: number | null): Promise<void> => {
        const answer = await backend().upload(await picture(1), meta);
        const listed = (await backend().frames()).find(({ frame_id }) => frame_id === answer.frame_id);
        for (const age of [answer.joints_age_s, listed?.joints_age_s]) {
          if (wantedS === null) expect(age).toBeNull();
          else expect(age).toBeCloseTo(wantedS, 3);
        }
      };
      await expectAge({ captured_at: t }, null);
      await joints(LEFT, t - 0.05);
      await joints(RIGHT, t + 0.02);
      await expectAge({ captured_at: t }, 0.02);
      await expectAge({ captured_at: t + 3.02 }, 3);
      await expectAge({ captured_at: t, joint_angles: LEFT }, 0);
      await expectAge({ captured_at: t, joint_samples }, 0.1);
    });

    it("warns while a joint stream that stopped places frames, once", async () => {
      const warnings = async (): Promise<string[]> =>
        (await backend().status()).warnings.filter((text) => text.startsWith("no joint reading for a while"));
      const t = nowS();
      await joints(LEFT, t - 0.05);
      await joints(LEFT, t);
      expect(await place({ captured_at: t })).toBe("interpolated");
      expect(await warnings()).toEqual([]);
      for (const laterS of [2, 3, 4]) expect(await place({ captured_at: t + laterS })).toBe("latest");
      expect(await warnings()).toHaveLength(1);
      await joints(RIGHT, t + 4.9);
      await joints(RIGHT, t + 5);
      expect(await place({ captured_at: t + 4.95 })).toBe("interpolated");
      expect(await warnings()).toEqual([]);
    });

    it("one reading dated ahead of the others does not hide them", async () => {
      const t = nowS();
      await joints(MIDDLE, t - 0.1);
      await joints(LEFT, t + 1800);
      for (const dt of [-0.05, 0.05, 0.1]) await joints(RIGHT, t + dt);
      expect(await place({ captured_at: t })).toBe("interpolated");
      expect((await backend().status()).joint_angles).toEqual(RIGHT);
    });

    it.each([-30_000, 1800])("joints and frames by one clock that is %s s off are matched", async (offS) => {
      const t = nowS() + offS;
      await joints(LEFT, t - 0.05);
      await joints(RIGHT, t + 0.05);
      expect(await place({ captured_at: t })).toBe("interpolated");
    });

    it("a wrist that turns over π turns the short way, also by readings beyond it", async () => {
      const t = nowS();
      const turned = (wrist: number): number[] => [0, 0, 0, 0, wrist, 0];
      await joints(turned(Math.PI - 0.1), t - 0.1);
      await joints(turned(-Math.PI + 0.1), t + 0.1);
      await place({ frame_id: "turned", captured_at: t });
      await place({ frame_id: "wanted", joint_angles: turned(Math.PI) });
      await place({ frame_id: "beyond", joint_angles: turned(-Math.PI - 2) });
      await place({ frame_id: "within", joint_angles: turned(Math.PI - 2) });
      await expectSamePose("turned", "wanted");
      await expectSamePose("beyond", "within");
    });

    it("warns at once when five frames in a row have no pose at all", async () => {
      const warning = "no pose: every frame is placed at the same spot";
      for (let seed = 0; seed < 4; seed++) await backend().upload(await picture(seed));
      expect((await backend().status()).warnings.join()).not.toContain(warning);
      await backend().upload(await picture(4));
      expect((await backend().status()).warnings.join()).toContain(warning);
    });
  });
}
