"""What a backend answers that cannot open: why."""

from __future__ import annotations

import uuid

from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import ASGIApp

from live_splat.refusal import RefusalError

from .answers import refusal_answer


def unusable(why: str) -> ASGIApp:
    """An app that answers every request with 503 ``unavailable`` and the reason."""
    refusal = RefusalError(
        "unavailable",
        f"this backend cannot open: {why}",
        hint="Waiting does not help: mend that and deploy it again.",
        retry_after_s=60,
    )
    answer = refusal_answer(refusal, {"session_id": "", "boot_id": str(uuid.uuid4())})
    return Starlette(routes=[Mount("/", app=answer)])
