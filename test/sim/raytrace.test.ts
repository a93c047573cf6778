import { describe, expect, it } from "vitest";
import { placeSolid } from "../../src/sim/solids.ts";
import { renderTabletop } from "../../src/sim/raytrace.ts";
import type { Tabletop } from "../../src/sim/tabletop.ts";
import type { Vector3 } from "../../src/sim/textures.ts";
import { wristIntrinsics } from "../../src/sim/wrist-camera.ts";
import { cameraFromPose, type Camera } from "../../src/trainer/camera.ts";

const intrinsics = wristIntrinsics(64, 48);

/** 0.4 m above x = 0.3 m, looking straight down, image top towards +x. */
const camera = cameraFromPose(intrinsics, [0, 1, 0, 0.3, -1, 0, 0, 0, 0, 0, 1, 0.4, 0, 0, 0, 1]);

function flat(r: number, g: number, b: number): () => readonly [number, number, number] {
  return () => [r, g, b];
}

function scene(lampM: Vector3): Tabletop {
  const table = { kind: "box", halfSizeM: [0.2, 0.2, 0.01] } as const;
  return {
    solids: [
      placeSolid(table, [0.3, 0, -0.01], flat(0.2, 0.2, 0.2)),
      placeSolid({ kind: "sphere", radiusM: 0.03 }, [0.36, 0.05, 0.03], flat(0.8, 0, 0)),
      placeSolid({ kind: "box", halfSizeM: [0.02, 0.02, 0.02] }, [0.25, -0.05, 0.02], flat(0, 0.8, 0)),
      placeSolid({ kind: "cylinder", radiusM: 0.02, halfHeightM: 0.02 }, [0.25, 0.08, 0.02], flat(0, 0, 0.8)),
    ],
    lampPointsM: [lampM, lampM, lampM, lampM],
    room: { minM: [-1, -1, -1], maxM: [2, 1, 1], color: [0.01, 0.01, 0.01] },
  };
}

function project(view: Camera, p: Vector3): { x: number; y: number; depth: number } {
  const { rotation: r, translation: t } = view;
  const [x, y, depth] = [0, 3, 6].map((i) => r[i] * p[0] + r[i + 1] * p[1] + r[i + 2] * p[2] + t[i / 3]);
  return { x: (view.fx * x) / depth + view.cx, y: (view.fy * y) / depth + view.cy, depth };
}

function pixelAt(image: Uint8Array, p: Vector3): number[] {
  const { x, y } = project(camera, p);
  const start = (Math.floor(y) * camera.width + Math.floor(x)) * 3;
  return [...image.subarray(start, start + 3)];
}

describe("renderTabletop", () => {
  const overhead = scene([0.3, 0, 1]);
  const image = renderTabletop(camera, { tabletop: overhead });

  it("shows each solid where the camera projects it", () => {
    const [red, green, blue] = [
      pixelAt(image, [0.36, 0.05, 0.06]),
      pixelAt(image, [0.25, -0.05, 0.04]),
      pixelAt(image, [0.25, 0.08, 0.04]),
    ];
    expect(red[0]).toBeGreaterThan(150);
    expect(red[1]).toBe(0);
    expect(green[1]).toBeGreaterThan(150);
    expect(green[0]).toBe(0);
    expect(blue[2]).toBeGreaterThan(150);
    expect(blue[1]).toBe(0);
  });

  it("centres a ball's disc on the projection of its centre", () => {
    const reds: [number, number][] = [];
    for (let i = 0; i < image.length; i += 3) {
      if (image[i] > 60 && image[i + 1] < 20)
        reds.push([(i / 3) % camera.width, Math.floor(i / 3 / camera.width)]);
    }
    const center = project(camera, [0.36, 0.05, 0.03]);
    const radius = (camera.fx * 0.03) / center.depth;
    const mean = [0, 1].map((axis) => reds.reduce((sum, red) => sum + red[axis] + 0.5, 0) / reds.length);
    expect(Math.abs(mean[0] - center.x)).toBeLessThan(0.6);
    expect(Math.abs(mean[1] - center.y)).toBeLessThan(0.6);
    expect(reds.length / (Math.PI * radius * radius)).toBeGreaterThan(0.8);
    expect(reds.length / (Math.PI * radius * radius)).toBeLessThan(1.2);
  });

  it("casts the shadow away from the lamp", () => {
    // The lamp stands at the ball's own height plus a ball's width, to its +x side: the shadow falls towards −x.
    const low = renderTabletop(camera, { tabletop: scene([0.56, 0.05, 0.13]) });
    const shadow = pixelAt(low, [0.29, 0.05, 0]);
    const open = pixelAt(low, [0.29, 0.0, 0]);
    expect(shadow[0]).toBeLessThan(open[0]);
  });

  it("gives the same bytes again", () => {
    expect(renderTabletop(camera, { tabletop: overhead })).toEqual(image);
    expect(renderTabletop(camera)).toEqual(renderTabletop(camera));
  });

  it("turns solids as they are placed: a tilted box shows its corner, a hull of a box's planes the same box", () => {
    const [s, c] = [Math.SQRT1_2, Math.SQRT1_2];
    const halfSizeM = [0.03, 0.03, 0.03] as const;
    const planes = Float64Array.from(
      [0, 1, 2].flatMap((axis) =>
        [1, -1].flatMap((side) => [0, 1, 2].map((i) => (i === axis ? side : 0)).concat(0.03)),
      ),
    );
    const shapes = [
      { kind: "box", halfSizeM } as const,
      { kind: "hull", planes, reachM: 0.03 * Math.sqrt(3) } as const,
    ];
    const tilted = shapes.map((shape) => {
      const rotation = [c, 0, s, 0, 1, 0, -s, 0, c];
      const box = placeSolid(shape, [0.3, 0, 0.05], flat(0.8, 0, 0), { rotation });
      return renderTabletop(camera, { tabletop: { ...overhead, solids: [overhead.solids[0], box] } });
    });
    expect(tilted[1]).toEqual(tilted[0]);
    // Standing on its edge it is √2 wider along x, and as wide as before along y.
    expect(pixelAt(tilted[0], [0.338, 0, 0.05])[1]).toBe(0);
    expect(pixelAt(tilted[0], [0.3, 0.038, 0.05])[1]).toBeGreaterThan(60);
  });

  it("places the same solid by a yaw and by its rotation", () => {
    const [c, s] = [Math.cos(0.5), Math.sin(0.5)];
    const pictures = [{ yawDeg: (0.5 * 180) / Math.PI }, { rotation: [c, -s, 0, s, c, 0, 0, 0, 1] }].map(
      (placing) => {
        const box = placeSolid(
          { kind: "box", halfSizeM: [0.05, 0.02, 0.02] },
          [0.3, 0, 0.02],
          flat(0.8, 0, 0),
          placing,
        );
        return renderTabletop(camera, { tabletop: { ...overhead, solids: [overhead.solids[0], box] } });
      },
    );
    expect(pictures[1]).toEqual(pictures[0]);
  });

  it("leaves nothing black: beyond the table there is a dim room", () => {
    const up = cameraFromPose(intrinsics, [0, 0, -1, 0.3, 1, 0, 0, 0, 0, -1, 0, 0.4, 0, 0, 0, 1]);
    const walls = renderTabletop(up);
    expect(Math.min(...walls)).toBeGreaterThan(10);
    expect(Math.max(...walls)).toBeLessThan(120);
  });
});
