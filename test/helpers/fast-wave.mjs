/**
 * The motion that times are measured on, in whatever process: fast, because the encoders' steps of 0.088° hide what is
 * less than a millisecond of a slow one.
 */
export const FAST_WAVE = { motion: "wave", startS: 0, maxSpeedDegS: 180 };
