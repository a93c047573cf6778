"""The app as Modal's own SDK and CLI see it, the CLI against a stand-in for Modal's servers."""

from __future__ import annotations

import ast
import errno
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("modal", reason="Modal's SDK is not installed here: pip install modal")

import httpx
from modal._utils.async_utils import synchronizer
from modal_double import URL, ModalDouble
from modal_proto import api_pb2
from served import served

BACKEND = Path(__file__).parent.parent


@pytest.fixture
def modal_cloud():
    double = ModalDouble()
    yield double
    double.close()


def modal_cli(*args: str, home: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Modal's own command, of nobody's account but the one given."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MODAL_", "SPLAT_"))}
    quiet = {"COLUMNS": "1000", "NO_COLOR": "1", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUTF8": "1"}
    own = {"HOME": str(home), "MODAL_CONFIG_PATH": str(home / "modal.toml")}
    command = [sys.executable, "-m", "modal", *args]
    return subprocess.run(
        command, cwd=home, env={**kept, **quiet, **own, **env}, capture_output=True, text=True, timeout=120
    )


def deploy(cloud: ModalDouble, home: Path, **env: str) -> subprocess.CompletedProcess[str]:
    account = {
        "MODAL_SERVER_URL": cloud.url,
        "MODAL_TOKEN_ID": "someone",
        "MODAL_TOKEN_SECRET": "of-nowhere",
    }
    return modal_cli("deploy", str(BACKEND / "modal_app.py"), home=home, **account, **env)


def functions(cloud: ModalDouble) -> list[Any]:
    """Every function that was created, once for each GPU it may run on."""
    found = []
    for request in cloud.requests("FunctionCreate"):
        ranked = request.function_data.ranked_functions
        found.extend(each.function for each in ranked) if ranked else found.append(request.function)
    return found


def named_secrets(cloud: ModalDouble) -> dict[str, list[str]]:
    asked = cloud.requests("SecretGetOrCreate")
    return {each.deployment_name: list(each.required_keys) for each in asked if each.deployment_name}


def container_env(cloud: ModalDouble) -> dict[str, str]:
    (settings,) = [each for each in cloud.requests("SecretGetOrCreate") if not each.deployment_name]
    return dict(settings.env_dict)


def test_deploys_one_container_with_one_gpu_that_goes_when_idle(modal_cloud, tmp_path):
    result = deploy(modal_cloud, tmp_path)
    assert result.returncode == 0, result.stderr
    assert f"LiveSplat.web -> {URL}" in result.stdout
    assert [request.name for request in modal_cloud.requests("AppPublish")] == ["so100-live-splat"]
    choices = functions(modal_cloud)
    assert [each.resources.gpu_config.gpu_type for each in choices] == ["L4", "A10"]
    for each in choices:
        assert each.function_name == "LiveSplat.*"
        assert each.resources.gpu_config.count == 1
        assert each.autoscaler_settings.min_containers == 0
        assert each.autoscaler_settings.max_containers == 1
        assert each.autoscaler_settings.scaledown_window == 300
        assert each.max_concurrent_inputs == 100
        assert each.timeout_secs == 3600
        assert each.startup_timeout_secs == 900
        assert [(volume.mount_path, volume.read_only) for volume in each.volume_mounts] == [("/data", False)]
        assert not each.class_parameter_info.schema


def test_serves_the_api_under_a_name_of_its_own(modal_cloud, tmp_path):
    assert deploy(modal_cloud, tmp_path).returncode == 0
    for each in functions(modal_cloud):
        assert list(each.method_definitions) == ["web"]
        web = each.method_definitions["web"].webhook_config
        assert web.type == api_pb2.WEBHOOK_TYPE_ASGI_APP
        assert web.requested_suffix == "so100-live-splat"
        assert not web.requires_proxy_auth


def test_gives_each_scene_a_container_of_its_own_where_strangers_are_kept_out(modal_cloud, tmp_path):
    result = deploy(modal_cloud, tmp_path, SPLAT_SCENES="main,left-arm", SPLAT_PROXY_AUTH="1")
    assert result.returncode == 0, result.stderr
    for each in functions(modal_cloud):
        (parameter,) = each.class_parameter_info.schema
        assert (parameter.name, parameter.string_default) == ("scene", "main")
        assert each.autoscaler_settings.max_containers == 1
        assert each.method_definitions["web"].webhook_config.requires_proxy_auth


def test_needs_the_token_and_keeps_chunks_on_the_volume_without_a_bucket(modal_cloud, tmp_path):
    assert deploy(modal_cloud, tmp_path).returncode == 0
    assert named_secrets(modal_cloud) == {"splat-api": ["SPLAT_API_TOKEN"]}
    assert container_env(modal_cloud) == {
        "SPLAT_DATA_DIR": "/data",
        "SPLAT_IDLE_STOP_S": "900",
        "SPLAT_FRAME_MEMORY_MIB": "2048",
    }
    (volume,) = modal_cloud.requests("VolumeGetOrCreate")
    assert volume.deployment_name == "so100-live-splat-data"


def test_takes_every_setting_from_the_environment_of_the_one_who_deploys(modal_cloud, tmp_path):
    given = {
        "SPLAT_GPU": "L40S, A100-40GB",
        "SPLAT_SCALEDOWN_S": "60",
        "SPLAT_PROXY_AUTH": "1",
        "SPLAT_WITH_BUCKET": "1",
        "SPLAT_SCENES": "main, left-arm",
        "SPLAT_CORS_ORIGINS": "https://example.org",
        "SPLAT_MAX_GAUSSIANS": "500000",
        "SPLAT_MAX_PIXELS": "400000",
        "SPLAT_FRAME_MEMORY_MIB": "3000",
        "SPLAT_IDLE_STOP_S": "0",
    }
    secret = {"SPLAT_API_TOKEN": "not-for-the-image", "SPLAT_DATA_DIR": "elsewhere"}
    result = deploy(modal_cloud, tmp_path, **given, **secret)
    assert result.returncode == 0, result.stderr
    choices = functions(modal_cloud)
    assert [each.resources.gpu_config.gpu_type for each in choices] == ["L40S", "A100-40GB"]
    assert [each.autoscaler_settings.scaledown_window for each in choices] == [60, 60]
    assert all(each.method_definitions["web"].webhook_config.requires_proxy_auth for each in choices)
    assert named_secrets(modal_cloud)["r2-credentials"] == [
        "R2_ENDPOINT_URL",
        "R2_BUCKET_NAME",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
    ]
    assert container_env(modal_cloud) == {**given, "SPLAT_DATA_DIR": "/data"}
    assert not any("not-for-the-image" in str(request) for _, request in modal_cloud.asked)


def test_builds_an_image_without_a_compiler_that_fails_when_the_kernels_do_not_load(modal_cloud, tmp_path):
    assert deploy(modal_cloud, tmp_path).returncode == 0
    images = modal_cloud.requests("ImageGetOrCreate")
    commands = [command for each in images for command in each.image.dockerfile_commands]
    text = "\n".join(commands)
    assert "python:3.10" in text
    assert "import torch, gsplat.csrc" in text
    assert "nvcc" not in text
    assert "devel" not in text
    files = [file.data.decode() for each in images for file in each.image.context_files]
    for name in ("requirements.txt", "requirements-gpu.txt"):
        assert (BACKEND / name).read_text() in files


def test_sends_the_package_and_nothing_that_lies_beside_it(modal_cloud, tmp_path):
    assert deploy(modal_cloud, tmp_path).returncode == 0
    sent = [file.filename for request in modal_cloud.requests("MountGetOrCreate") for file in request.files]
    for wanted in ("/live_splat/deployment.py", "/modal_app.py"):
        assert any(name.endswith(wanted) for name in sent)
    assert [name for name in sent if "test" in name or name.endswith(".pyc")] == []


def test_says_which_secret_is_missing(tmp_path):
    double = ModalDouble(known_secrets=())
    try:
        result = deploy(double, tmp_path)
    finally:
        double.close()
    assert result.returncode == 1
    assert "splat-api" in result.stderr


def test_without_an_account_the_cli_says_what_to_do(tmp_path):
    for command in (["deploy", "modal_app.py"], ["run", "modal_app.py::test_local"]):
        verb, ref = command
        result = modal_cli(verb, str(BACKEND / ref), home=tmp_path)
        assert result.returncode == 1
        assert "Token missing" in result.stderr


def test_the_check_needs_neither_secrets_nor_a_volume():
    import modal_app

    assert list(modal_app.checks._local_state.local_entrypoints) == ["test_local"]
    (function,) = modal_app.checks._local_state.functions.values()
    assert function._spec.gpus == ["L4", "A10"]
    assert not function._spec.secrets
    assert not function._spec.volumes


class Volume:
    """The folder is there already; what counts is when it is asked for."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def reload(self) -> None:
        self.calls.append("reload")

    def commit(self) -> None:
        self.calls.append("commit")


def life(method: str) -> Any:
    """A method of the class as it was written, without Modal around it."""
    import modal_app

    return synchronizer._translate_in(modal_app.LiveSplat._get_user_cls().__dict__[method]).raw_f


def test_restores_serves_and_saves_as_the_container_comes_and_goes(tmp_path, monkeypatch):
    pytest.importorskip("torch", reason="torch is not installed here")
    import modal_app

    volume = Volume()
    monkeypatch.setattr(modal_app, "volume", volume)
    monkeypatch.setenv("SPLAT_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("SPLAT_API_TOKEN", "sesame")
    monkeypatch.setenv("SPLAT_SCENES", "main,left-arm")
    authorized = {"Authorization": "Bearer sesame"}
    sessions = []
    for _ in range(2):
        container = SimpleNamespace()
        life("start")(container)
        with served(life("web")(container)) as url, httpx.Client(base_url=url) as client:
            assert client.get("/health").json()["trainer_ready"]
            assert client.get("/status").status_code == 401
            sessions.append(client.get("/status", headers=authorized).json()["session_id"])
            assert client.get("/status?scene=left-arm", headers=authorized).status_code == 200
            assert client.get("/status?scene=made-up", headers=authorized).status_code == 404
        life("stop")(container)
    assert sessions[0] == sessions[1]
    assert volume.calls.count("reload") == 2
    assert volume.calls[-1] == "commit"


def test_a_full_volume_is_told_as_a_full_disk(monkeypatch):
    import modal_app

    class FullVolume:
        def commit(self) -> None:
            raise modal_app.modal.exception.ResourceExhaustedError("no more inodes")

    monkeypatch.setattr(modal_app, "volume", FullVolume())
    with pytest.raises(OSError, match="full") as told:
        modal_app.commit()
    assert told.value.errno == errno.ENOSPC


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [("SPLAT_API_TOKEN", " ", "SPLAT_API_TOKEN"), ("R2_BUCKET_NAME", "splats", "incomplete")],
    ids=["open to everybody", "half a bucket"],
)
def test_a_container_that_cannot_open_says_why(tmp_path, monkeypatch, name, value, says):
    import modal_app

    monkeypatch.setattr(modal_app, "volume", Volume())
    monkeypatch.setenv("SPLAT_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("SPLAT_API_TOKEN", "sesame")
    monkeypatch.setenv(name, value)
    container = SimpleNamespace()
    life("start")(container)
    with served(life("web")(container)) as url, httpx.Client(base_url=url) as client:
        for answer in (client.get("/health"), client.get("/status"), client.post("/upload-frame")):
            assert answer.status_code == 503
            body = answer.json()
            assert (body["success"], body["error"]["code"]) == (False, "unavailable")
            assert says in body["error"]["message"]
            assert body["boot_id"]
    life("stop")(container)
    assert list(tmp_path.iterdir()) == []


def test_nothing_but_this_file_imports_modal():
    for path in sorted(BACKEND.rglob("*.py")):
        if path.name in ("modal_app.py", "modal_double.py", "test_modal_app.py"):
            continue
        assert "modal" not in top_level_imports(path), path


def top_level_imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module is not None:
            found.add(node.module.split(".")[0])
    return found
