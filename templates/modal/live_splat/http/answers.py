"""What is answered: JSON in the contract's form, and its error body."""

from __future__ import annotations

import json
import math
from typing import Any

from starlette.responses import Response

from live_splat.refusal import RefusalError


def to_json(value: object) -> bytes:
    """JSON in ASCII, so that whatever a client called its frame can be sent back. What is not finite becomes
    null: JSON has no word for it."""
    try:
        text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    except ValueError:
        text = json.dumps(_finite(value), allow_nan=False, separators=(",", ":"))
    return text.encode("ascii")


def json_answer(value: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """An answer of ours; never kept by a cache on the way."""
    return Response(
        to_json(value),
        status,
        {"cache-control": "no-store", **(headers or {})},
        media_type="application/json",
    )


def refusal_answer(refusal: RefusalError, identity: dict[str, str]) -> Response:
    """The contract's error body."""
    error = {"code": refusal.code, "message": refusal.message}
    if refusal.hint is not None:
        error["hint"] = refusal.hint
    headers = {}
    if refusal.retry_after_s is not None:
        headers["retry-after"] = str(max(1, math.ceil(refusal.retry_after_s)))
    if refusal.status == 401:
        headers["www-authenticate"] = "Bearer"
    return json_answer({"success": False, "error": error, **identity}, refusal.status, headers)


def unforeseen() -> RefusalError:
    """What a bug is answered with; the log says more."""
    return RefusalError("internal", "this backend met a bug; its log says more")


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value
