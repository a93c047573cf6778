"""A stand-in for Modal's servers, as far as ``modal deploy`` and ``modal run`` speak with them before
anything runs.

It keeps what it was asked for, so that a test sees what would stand on Modal: types, limits, secrets,
volumes.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

from google.protobuf import empty_pb2
from grpclib import GRPCError, Status
from grpclib.server import Server
from modal_proto import api_grpc, api_pb2

Answer = Callable[[Any], Any]

URL = "https://someone--so100-live-splat.modal.run"


class ModalDouble:
    """Listens on a free port of loopback until closed. ``asked`` is every request by the name of its
    method."""

    def __init__(self, known_secrets: tuple[str, ...] = ("splat-api", "r2-credentials")) -> None:
        self.asked: list[tuple[str, Any]] = []
        self.port = 0
        self._known_secrets = known_secrets
        self._loop = asyncio.new_event_loop()
        self._listening = threading.Event()
        self._stop: asyncio.Event | None = None
        self._thread = threading.Thread(
            target=self._loop.run_until_complete, args=(self._serve(),), daemon=True
        )
        self._thread.start()
        self._listening.wait(10)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def requests(self, method: str) -> list[Any]:
        """What was asked of one method, in order."""
        return [request for name, request in self.asked if name == method]

    def close(self) -> None:
        if self._stop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        self._loop.close()

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        server = Server([_servicer(self)])
        await server.start("127.0.0.1", 0)
        self.port = server._server.sockets[0].getsockname()[1]
        self._listening.set()
        await self._stop.wait()
        server.close()
        await server.wait_closed()

    def answer(self, method: str, request: Any) -> Any:
        """What Modal would say. Raises GRPCError for what is not modelled, naming it."""
        wanted = request.deployment_name if method == "SecretGetOrCreate" else ""
        if wanted and wanted not in self._known_secrets:
            raise GRPCError(Status.NOT_FOUND, f"Secret '{wanted}' not found")
        known = ANSWERS.get(method)
        if known is None:
            raise GRPCError(Status.UNIMPLEMENTED, f"the stand-in for Modal does not know {method}")
        return known(request)


def _function(request: api_pb2.FunctionCreateRequest) -> api_pb2.FunctionCreateResponse:
    data = request.function_data
    if not data.ranked_functions:
        ranked = api_pb2.FunctionData.RankedFunction(rank=0, function=request.function)
        data = api_pb2.FunctionData(function_name=request.function.function_name, ranked_functions=[ranked])
    created = api_pb2.Function()
    created.CopyFrom(data.ranked_functions[0].function)
    for method in created.method_definitions.values():
        method.web_url = URL if method.webhook_config.type else ""
    handles = {
        name: api_pb2.FunctionHandleMetadata(function_name=name, web_url=method.web_url)
        for name, method in created.method_definitions.items()
    }
    return api_pb2.FunctionCreateResponse(
        function_id=f"fu-{data.function_name}",
        function=created,
        function_data=data,
        handle_metadata=api_pb2.FunctionHandleMetadata(
            function_name=data.function_name, method_handle_metadata=handles
        ),
    )


def _secret(request: api_pb2.SecretGetOrCreateRequest) -> api_pb2.SecretGetOrCreateResponse:
    return api_pb2.SecretGetOrCreateResponse(secret_id=f"st-{request.deployment_name or 'settings'}")


ANSWERS: dict[str, Answer] = {
    "ClientHello": lambda _: api_pb2.ClientHelloResponse(),
    "EnvironmentGetOrCreate": lambda _: api_pb2.EnvironmentGetOrCreateResponse(
        environment_id="en-1",
        metadata=api_pb2.EnvironmentMetadata(
            name="main", settings=api_pb2.EnvironmentSettings(image_builder_version="2025.06")
        ),
    ),
    "AppGetByDeploymentName": lambda _: api_pb2.AppGetByDeploymentNameResponse(),
    "AppCreate": lambda _: api_pb2.AppCreateResponse(app_id="ap-1", app_page_url="https://modal.com/apps/1"),
    "AppHeartbeat": lambda _: empty_pb2.Empty(),
    "AppPublish": lambda _: api_pb2.AppPublishResponse(
        url="https://modal.com/apps/1", deployed_at=time.time()
    ),
    "AppClientDisconnect": lambda _: empty_pb2.Empty(),
    "ImageGetOrCreate": lambda _: api_pb2.ImageGetOrCreateResponse(
        image_id="im-1", result=api_pb2.GenericResult(status=api_pb2.GenericResult.GENERIC_STATUS_SUCCESS)
    ),
    "VolumeGetOrCreate": lambda _: api_pb2.VolumeGetOrCreateResponse(volume_id="vo-1"),
    "SecretGetOrCreate": _secret,
    "MountPutFile": lambda _: api_pb2.MountPutFileResponse(exists=True),
    "MountBatchedCheckExistence": lambda _: api_pb2.MountBatchedCheckExistenceResponse(),
    "MountGetOrCreate": lambda _: api_pb2.MountGetOrCreateResponse(mount_id="mo-1"),
    "FunctionPrecreate": lambda request: api_pb2.FunctionPrecreateResponse(
        function_id=f"fu-{request.function_name}"
    ),
    "FunctionCreate": _function,
    "ClassCreate": lambda _: api_pb2.ClassCreateResponse(class_id="cs-1"),
}


def _servicer(double: ModalDouble) -> api_grpc.ModalClientBase:
    """The generated base class with every method handed to ``double``."""

    def method(name: str) -> Callable:
        async def call(_self: Any, stream: Any) -> None:
            request = await stream.recv_message()
            double.asked.append((name, request))
            await stream.send_message(double.answer(name, request))

        return call

    names = api_grpc.ModalClientBase.__abstractmethods__
    return type("Servicer", (api_grpc.ModalClientBase,), {name: method(name) for name in names})()
