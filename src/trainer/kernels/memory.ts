/** Where things lie, as the kernels see it. */
import { ADDRESSES_AT, SCALARS_AT, SCRATCH_BYTES } from "./layout.ts";
import * as ADDRESS from "./addresses.ts";

let thread: usize = 0;

/** Each thread has an instance of its own and says once which it is. */
export function setThread(index: i32): void {
  thread = index;
}

/** Address of a region, by its index in addresses.ts. */
// @ts-ignore: decorator
@inline
export function at(region: i32): usize {
  return load<u32>(usize(ADDRESSES_AT) + (usize(region) << 2));
}

/** A scalar of the current step, by its index in scalars.ts. */
// @ts-ignore: decorator
@inline
export function scalar(index: i32): f32 {
  return f32(load<f64>(usize(SCALARS_AT) + (usize(index) << 3)));
}

// @ts-ignore: decorator
@inline
export function scalar64(index: i32): f64 {
  return load<f64>(usize(SCALARS_AT) + (usize(index) << 3));
}

// @ts-ignore: decorator
@inline
export function scalarInt(index: i32): i32 {
  return i32(load<f64>(usize(SCALARS_AT) + (usize(index) << 3)));
}

/** This thread's working room, `SCRATCH_BYTES` long. */
// @ts-ignore: decorator
@inline
export function scratch(): usize {
  return at(ADDRESS.scratch) + thread * usize(SCRATCH_BYTES);
}

// @ts-ignore: decorator
@inline
export function setScalar(index: i32, value: f64): void {
  store<f64>(usize(SCALARS_AT) + (usize(index) << 3), value);
}
