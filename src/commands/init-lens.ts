/** `splatctl init`: what is known of the camera's lens. The backend keeps it, no file of ours. */
import type { Client } from "../api/client.ts";
import { MAIN_SCENE } from "../api/limits.ts";
import type { CameraModel } from "../api/schema.ts";
import { explainShort, SplatError } from "../errors.ts";
import { settle, tell, type InitDesk } from "./init-desk.ts";

/** Nobody knows it. */
const UNKNOWN = "not known";
const EXAMPLE = "Such as 640x480 530px (focal length) or 640x480 62deg (horizontal field of view).";

/** Ask for it; null when it is not known. */
export async function askLens(desk: InitDesk): Promise<CameraModel | null> {
  const { flags } = desk;
  const question = "camera's lens, such as 640x480 530px or 640x480 62deg";
  return await settle(
    desk,
    flags.lens,
    UNKNOWN,
    (questions) => questions.ask(question, UNKNOWN),
    (typed) => (typed === UNKNOWN ? null : parseLens(typed)),
  );
}

/** A lens as people write it: `640x480 530px`, `640x480 62deg`. Throws `usage`. */
export function parseLens(typed: string): CameraModel {
  const found = /^(\d{2,5})\s*[x×, ]\s*(\d{2,5})[\s,]+(\d{1,5}(?:\.\d{1,6})?)\s*(px|deg|°)$/i.exec(
    typed.trim(),
  );
  if (found === null) throw new SplatError("usage", "that is no lens", { hint: EXAMPLE });
  const [w, h, value] = found.slice(1, 4).map(Number);
  const isAngle = found[4].toLowerCase() !== "px";
  if (isAngle && !(value > 1 && value < 170))
    throw new SplatError("usage", "a field of view has 1 to 170 degrees", { hint: EXAMPLE });
  const focalPx = isAngle ? w / 2 / Math.tan((value * Math.PI) / 360) : value;
  if (!(focalPx > w / 25 && focalPx < 50 * w)) {
    throw new SplatError("usage", "no lens has such a focal length", { hint: EXAMPLE });
  }
  const focal = Math.round(focalPx * 100) / 100;
  return {
    model: "PINHOLE",
    w,
    h,
    fl_x: focal,
    fl_y: focal,
    cx: w / 2,
    cy: h / 2,
    k1: 0,
    k2: 0,
    p1: 0,
    p2: 0,
  };
}

/** Tell the backend, or say how. Whether it knows it now. */
export async function sendLens(
  desk: InitDesk,
  lens: CameraModel,
  client: Client | null,
  url: string,
  scene: string,
): Promise<boolean> {
  const { w, h, fl_x: focal } = lens;
  const what = `a camera of ${w}×${h} pixels with a focal length of ${focal} px`;
  const where = scene === MAIN_SCENE ? `${url}/scene` : `'${url}/scene?scene=${scene}'`;
  const later = `curl -X PUT ${where} -H 'content-type: application/json' -d '${JSON.stringify({ camera: lens })}' (and -H "authorization: Bearer $SPLAT_API_TOKEN" where it wants a token)`;
  if (client === null) {
    tell(desk, {
      name: "lens",
      state: "note",
      says: `${what}: tell it to the backend when it runs`,
      hint: later,
    });
    return false;
  }
  try {
    await client.putScene({ camera: lens }, desk.signal);
    tell(desk, { name: "lens", state: "ok", says: `the backend knows it: ${what}` });
    return true;
  } catch (error) {
    desk.signal.throwIfAborted();
    tell(desk, { name: "lens", state: "no", says: explainShort(error), hint: later });
    return false;
  }
}
