"""Every route of the contract over HTTP.

Scenes may block (disk, decoding), so each call of one runs in a thread; uploads, stops and encoding have
threads of their own, so that however many there are, a status is answered at once.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import ASGIApp
from starlette.types import Scope as AsgiScope

from .contract import JointUpdate, ScenePatch, StopRequest
from .http.answers import json_answer, refusal_answer, unforeseen
from .http.encodings import Encodings
from .http.forms import first_value, read_body, read_frame_form, read_json
from .http.guards import HEAD_KEY, Guards
from .http.idle import IdleWatch
from .http.ingest import IngestLine
from .http.splat_answer import splat_answer
from .refusal import RefusalError
from .settings import Settings

if TYPE_CHECKING:
    from .scene import Scene, Scenes

Result = TypeVar("Result")

STOP_ANSWER_S = 18.0
"""How long POST /stop-training waits. The contract gives 20 s; the rest is for the way there and back."""


def build_api(scenes: Scenes, settings: Settings) -> ASGIApp:
    """The backend as an ASGI app. It does not close the scenes."""
    app = FastAPI(
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        lifespan=_lifespan(scenes, settings),
    )
    table = _Routes(scenes, settings).table()
    for method, path, route in table:
        app.add_api_route(path, route, methods=[method], response_model=None)

    def identity(scope: AsgiScope) -> dict[str, str]:
        return _identity(scenes, first_value(Request(scope), "scene") or settings.scenes[0])

    async def refused(request: Request, error: Exception) -> Response:
        return refusal_answer(_refusal_of(error), identity(request.scope))

    async def no_route(request: Request, _error: Exception) -> Response:
        path = request.url.path
        allowed = [method for method, known, _ in table if known == path]
        if not allowed:
            refusal = RefusalError("not_found", f"there is nothing at {path}")
            return refusal_answer(refusal, identity(request.scope))
        refusal = RefusalError("method_not_allowed", f"{path} does not take {request.method}")
        answer = refusal_answer(refusal, identity(request.scope))
        answer.headers["allow"] = ", ".join(allowed)
        return answer

    app.add_exception_handler(HTTPException, no_route)
    app.add_exception_handler(RefusalError, refused)
    # What nobody foresaw goes on to the guards, which log it.
    app.add_exception_handler(Exception, refused)
    return Guards(app, settings, identity)


def _refusal_of(error: Exception) -> RefusalError:
    return error if isinstance(error, RefusalError) else unforeseen()


def _identity(scenes: Scenes, name: str) -> dict[str, str]:
    """What an error carries of the scene it is about, if that is open. Opens none and waits for nothing."""
    found = next((scene for scene in scenes.opened() if scene.name == name), None)
    return {"session_id": "", "boot_id": scenes.boot_id} if found is None else found.identity()


def _lifespan(scenes: Scenes, settings: Settings) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        watch = IdleWatch(scenes, settings.idle_stop_s) if settings.idle_stop_s else None
        if watch is not None:
            watch.start()
        try:
            yield
        finally:
            if watch is not None:
                watch.close()

    return lifespan


class _Routes:
    """From request to answer, route by route."""

    def __init__(self, scenes: Scenes, settings: Settings) -> None:
        self._scenes = scenes
        self._default_name = settings.scenes[0]
        self._uploads = IngestLine()
        self._encodings = Encodings()
        self._quick = CapacityLimiter(16)
        self._slow = CapacityLimiter(16)
        self._stops = CapacityLimiter(32)

    def table(self) -> list[tuple[str, str, Callable[[Request], Awaitable[Response]]]]:
        """Every route of the contract: method, path, and who answers."""
        return [
            ("POST", "/upload-frame", self.upload),
            ("POST", "/update-joint-angles", self.update_joints),
            ("POST", "/stop-training", self.stop),
            ("POST", "/reset", self.reset),
            ("GET", "/health", self.health),
            ("GET", "/status", self.status),
            ("GET", "/get-ply", self.splat),
            ("GET", "/events", self.events),
            ("GET", "/frames", self.frames),
            ("GET", "/calibration", self.calibration),
            ("GET", "/scene", self.scene),
            ("PUT", "/scene", self.patch),
            ("GET", "/scene/mask", self.mask),
            ("PUT", "/scene/mask", self.put_mask),
            ("DELETE", "/scene/mask", self.delete_mask),
        ]

    async def upload(self, request: Request) -> Response:
        scene = await self._scene(request)
        with self._uploads.entered() as hold:
            data, meta = await read_frame_form(request, hold)
            body = await self._uploads.run(lambda: scene.upload(data, meta))
        return json_answer({**scene.identity(), "success": True, **body})

    async def update_joints(self, request: Request) -> Response:
        scene = await self._scene(request)
        update = await read_json(request, JointUpdate)
        await self._call(lambda: scene.update_joints(update.joint_angles, update.captured_at))
        return _done(scene, joint_angles=update.joint_angles)

    async def stop(self, request: Request) -> Response:
        scene = await self._scene(request)
        wanted = await read_json(request, StopRequest)
        # Left behind when the server ends: what it waits for comes when the scenes are closed, after that.
        body = await run_sync(
            lambda: scene.stop(wanted.finish_seconds, STOP_ANSWER_S),
            limiter=self._stops,
            abandon_on_cancel=True,
        )
        return json_answer({**scene.identity(), "success": True, **body})

    async def reset(self, request: Request) -> Response:
        scene = await self._scene(request)
        await run_sync(scene.reset, limiter=self._slow)
        return _done(scene)

    async def health(self, request: Request) -> Response:
        # Open to strangers, who are to open no scene: only the default one is open anyway, or about to be.
        name = self._scenes.named(first_value(request, "scene"))
        is_opened = any(scene.name == name for scene in self._scenes.opened())
        if name != self._default_name and not is_opened:
            return json_answer({**_identity(self._scenes, name), "status": "ok", "trainer_ready": True})
        scene = await self._scene(request)
        status = await self._call(scene.status)
        is_failed = status["state"] == "failed"
        state = "failed" if is_failed else "ok"
        return json_answer({**scene.identity(), "status": state, "trainer_ready": not is_failed})

    async def status(self, request: Request) -> Response:
        scene = await self._scene(request)
        return json_answer(await self._call(scene.status))

    async def splat(self, request: Request) -> Response:
        scene = await self._scene(request)
        return await splat_answer(scene, request, self._encodings, self._call)

    async def events(self, request: Request) -> Response:
        scene = await self._scene(request)
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        if HEAD_KEY in request.scope:
            return Response(headers=headers, media_type="text/event-stream")
        return StreamingResponse(_events(scene), headers=headers, media_type="text/event-stream")

    async def frames(self, request: Request) -> Response:
        scene = await self._scene(request)
        frames = await self._call(scene.frames)
        return json_answer({**scene.identity(), "frames": frames})

    async def calibration(self, request: Request) -> Response:
        scene = await self._scene(request)
        body = await self._call(scene.calibration)
        return json_answer({**body, **scene.identity()})

    async def scene(self, request: Request) -> Response:
        scene = await self._scene(request)
        return json_answer(await self._call(scene.describe))

    async def patch(self, request: Request) -> Response:
        scene = await self._scene(request)
        patch = await read_json(request, ScenePatch)
        await run_sync(lambda: scene.patch(patch), limiter=self._slow)
        return json_answer(await self._call(scene.describe))

    async def mask(self, request: Request) -> Response:
        scene = await self._scene(request)
        png = await self._call(lambda: scene.mask_png)
        headers = {"cache-control": "no-store"}
        if png is None:
            return Response(status_code=204, headers=headers)
        return Response(png, headers=headers, media_type="image/png")

    async def put_mask(self, request: Request) -> Response:
        scene = await self._scene(request)
        with self._uploads.entered() as hold:
            png = await read_body(request, hold)
            await self._uploads.run(lambda: scene.set_mask(png))
        return _done(scene)

    async def delete_mask(self, request: Request) -> Response:
        scene = await self._scene(request)
        await run_sync(lambda: scene.set_mask(None), limiter=self._slow)
        return _done(scene)

    async def _scene(self, request: Request) -> Scene:
        """The scene that a request is for, opened where it was not yet, which may take a while."""
        name = first_value(request, "scene")
        wanted = self._default_name if name is None else name
        opened = next((scene for scene in self._scenes.opened() if scene.name == wanted), None)
        return opened or await run_sync(lambda: self._scenes.get(name), limiter=self._slow)

    async def _call(self, call: Callable[[], Result]) -> Result:
        return await run_sync(call, limiter=self._quick)


def _done(scene: Scene, **more: object) -> Response:
    return json_answer({**scene.identity(), "success": True, **more})


async def _events(scene: Scene) -> AsyncIterator[bytes]:
    async with aclosing(scene.events.subscribe()) as pieces:
        async for piece in pieces:
            yield piece
