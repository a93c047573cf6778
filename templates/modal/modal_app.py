"""The backend on Modal: a container with a GPU, which holds every scene, or one for each scene.

``splatctl deploy`` drives this file; ``modal deploy modal_app.py`` does the same by hand, and ``modal run
modal_app.py::test_local`` trains a small scene on the GPU. Settings: ``live_splat/deployment.py`` and
README.md.

Each scene has a container of its own where SPLAT_SCENES names several and SPLAT_PROXY_AUTH=1 keeps strangers
out: the scene is then a parameter of the class, which Modal takes from ``?scene=``, and each value has
containers and a ``max_containers`` of its own. Without Modal asking for its token first, whoever knows the
address could so start a GPU for every name made up, before anything here could ask for ours; then one
container holds all scenes, and a stranger wakes one GPU at most. (Modal's sessions would pin a caller to a
container, not a scene: two callers of one scene would get two trainers.)
"""

# No postponed annotations here: Modal looks at the type of a parameter.

import errno
import json
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import modal

from live_splat.deployment import DATA_FOLDER, deployment_from

if TYPE_CHECKING:
    from starlette.types import ASGIApp

APP_NAME = "so100-live-splat"
REQUIREMENTS = [str(Path(__file__).with_name(name)) for name in ("requirements-gpu.txt", "requirements.txt")]

deployment = deployment_from(os.environ)

# Wheels with the kernels compiled in, so no CUDA compiler is needed and nothing is built at the first
# request. They exist for Python 3.10 only. The last step fails the build, not the first request, if the
# kernels do not load.
image = (
    modal.Image.debian_slim(python_version="3.10")
    # Versions with the builds wanted (+cu124) are in the second and third index; uv would stop at the first.
    .uv_pip_install(requirements=REQUIREMENTS, extra_options="--index-strategy unsafe-best-match")
    .run_commands("python -c 'import torch, gsplat.csrc'")
    .add_local_python_source("live_splat")
)
volume = modal.Volume.from_name(f"{APP_NAME}-data", create_if_missing=True)
secrets = [modal.Secret.from_name("splat-api", required_keys=["SPLAT_API_TOKEN"])]
if deployment.with_bucket:
    needed = ["R2_ENDPOINT_URL", "R2_BUCKET_NAME", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]
    secrets.append(modal.Secret.from_name("r2-credentials", required_keys=needed))

app = modal.App(APP_NAME)


def commit() -> None:
    """Make what was written to the volume last. Raises OSError ENOSPC when it is full, as a disk would."""
    try:
        volume.commit()
    except modal.exception.ResourceExhaustedError as error:
        raise OSError(errno.ENOSPC, "the volume is full") from error


@app.cls(
    image=image,
    gpu=list(deployment.gpus),
    cpu=2.0,
    memory=8192,
    env=dict(deployment.container_env),
    secrets=secrets,
    volumes={DATA_FOLDER: volume},
    min_containers=0,
    max_containers=1,
    scaledown_window=deployment.scaledown_s,
    timeout=3600,
    startup_timeout=900,
)
@modal.concurrent(max_inputs=100)
class LiveSplat:
    """The container's life: restore what the volume holds, serve, save."""

    if deployment.own_containers:
        scene: str = modal.parameter(default=deployment.default_scene)

    @modal.enter()
    def start(self) -> None:
        """Open the scenes. The trainer, and with it torch, is loaded here and not with the first frame."""
        from live_splat.container import serve_container

        logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
        volume.reload()
        scene = self.scene if deployment.own_containers else None
        self.served = serve_container(os.environ, scene, commit, proxy_auth=deployment.proxy_auth)

    @modal.exit()
    def stop(self) -> None:
        """Save everything, also when Modal takes the machine away."""
        self.served.close()

    @modal.asgi_app(label=APP_NAME, requires_proxy_auth=deployment.proxy_auth)
    def web(self) -> "ASGIApp":
        """The API of live_splat, as it is anywhere else."""
        return self.served.app


# An app of its own, so that the check needs neither secrets nor a volume and leaves the deployed backend
# alone.
checks = modal.App(f"{APP_NAME}-check")


@checks.function(image=image, gpu=list(deployment.gpus), timeout=900)
def train_small_scene() -> dict[str, float | int | str | bool]:
    """Train a scene of a few blobs, made here, and say how it went."""
    from live_splat.self_check import self_check

    return self_check()


@checks.local_entrypoint()
def test_local() -> None:
    """``modal run modal_app.py::test_local``: does training work on a GPU of this account?"""
    result = train_small_scene.remote()
    sys.stdout.write(json.dumps(result) + "\n")
    if not result["good"]:
        raise SystemExit("the scene came out badly: training does not work as it should")
