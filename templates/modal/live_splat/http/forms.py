"""Reads what a request brings, never more than is allowed, and checks its form."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Callable
from typing import Any, NoReturn, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect, Request

from live_splat.contract import FrameMeta
from live_splat.refusal import RefusalError

from .frame_form import FrameForm

Model = TypeVar("Model", bound=BaseModel)
Hold = Callable[[int], None]


async def read_json(request: Request, model: type[Model]) -> Model:
    """A JSON body in a model's form; an empty one counts as ``{}``. Raises ``bad_request``, ``too_large``."""
    data = await read_body(request)
    return parse_as(model, parse_json(data, "the body") if data else {}, "the body")


async def read_body(request: Request, hold: Hold | None = None) -> bytes:
    """The whole body; the guards see to it that it is not too long. ``hold``: as in ``read_frame_form``."""
    pieces = []
    async for piece in _pieces(request):
        if hold is not None:
            hold(len(piece))
        pieces.append(piece)
    return b"".join(pieces)


async def read_frame_form(request: Request, hold: Hold) -> tuple[bytes, FrameMeta]:
    """The multipart form of POST /upload-frame. ``hold`` is told how many bytes are kept, as they come.

    Raises ``bad_request``, ``too_large``, and what ``hold`` raises.
    """
    form = FrameForm(request.headers.get("content-type", ""))
    async for piece in _pieces(request):
        hold(len(piece))
        form.write(piece)
    file, meta = form.end()
    return file, FrameMeta() if meta is None else parse_as(FrameMeta, parse_json(meta, "meta"), "meta")


def parse_json(data: bytes, what: str) -> Any:
    """Bytes as JSON. Raises ``bad_request``, also for what Python takes and JSON has not (NaN, Infinity). Of
    a key said twice the last counts."""

    def refuse(word: str) -> NoReturn:
        raise ValueError(f"{word} is no JSON value")

    try:
        return json.loads(data.decode("utf-8"), parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else _reason(error)
        raise RefusalError("bad_request", f"{what} is not JSON: {reason}") from error


def parse_as(model: type[Model], value: Any, what: str) -> Model:
    """A value in a model's form. Raises ``bad_request`` that names the first things wrong with it."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        issues = error.errors(include_url=False, include_context=False, include_input=False)
        messages = [issue["msg"].removeprefix("Value error, ") for issue in issues]
        paths = [".".join(str(part) for part in issue["loc"]) for issue in issues]
        faults = [f"{path}: {text}" if path else text for path, text in zip(paths, messages, strict=True)]
        in_degrees = any("degrees" in text for text in messages)
        raise RefusalError(
            "bad_request",
            f"{what} is not as it should be: {'; '.join(faults[:3])}",
            hint="Angles are in radians: are these degrees?" if in_degrees else None,
        ) from error


def first_value(request: Request, name: str) -> str | None:
    """A value of the query; the first when there are several, None when there is none."""
    return next(iter(request.query_params.getlist(name)), None)


def parse_count(text: str | None, name: str) -> int | None:
    """A whole number above 0 of the query. Raises ``bad_request``."""
    if text is None:
        return None
    if re.fullmatch(r"[0-9]{1,15}", text) is None or int(text) == 0:
        raise RefusalError(
            "bad_request", f"the query is not as it should be: {name}: a whole number above 0 is wanted"
        )
    return int(text)


async def _pieces(request: Request) -> AsyncIterator[bytes]:
    try:
        async for piece in request.stream():
            yield piece
    except ClientDisconnect as error:
        raise RefusalError("bad_request", "the body ended early") from error


def _reason(error: ValueError) -> str:
    return "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
