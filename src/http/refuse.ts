/** How a server says no: a SplatError that carries the contract's code and HTTP status. */
import { ERROR_STATUS, type ApiErrorCode } from "../api/schema.ts";
import { SplatError } from "../errors.ts";

export interface RefusalOptions {
  readonly hint?: string | undefined;
  /** Sent as `Retry-After`, whole seconds. */
  readonly retryAfterS?: number | undefined;
  readonly cause?: unknown;
}

/** The error to throw when a request cannot be served; `errorResponse` turns it into the contract's body. */
export function refuse(code: ApiErrorCode, message: string, options: RefusalOptions = {}): SplatError {
  return new SplatError("refused", message, {
    hint: options.hint,
    cause: options.cause,
    refusal: { status: ERROR_STATUS[code], code, retryAfterS: options.retryAfterS },
  });
}
