"""What a container on Modal holds."""

from __future__ import annotations

import pytest

from live_splat.container import Content, open_container
from live_splat.refusal import RefusalError
from live_splat.settings import Settings


def test_a_container_of_one_scene_holds_that_alone(tmp_path):
    pytest.importorskip("torch", reason="torch is not installed here")
    settings = Settings(data_dir=tmp_path, scenes=("main", "left-arm"))
    main = open_container(settings, "main", lambda: None, proxy_auth=True)
    left = open_container(settings, "left-arm", lambda: None, proxy_auth=True)
    try:
        for content, own, other in ((main, "main", "left-arm"), (left, "left-arm", "main")):
            assert content.scenes.get(None).name == own
            assert refusal_of(content, other) == "not_found"
        assert left.settings.data_dir != main.settings.data_dir
    finally:
        left.scenes.close(5)
        main.scenes.close(5)


def test_a_container_of_a_name_made_up_refuses_and_touches_nothing(tmp_path):
    settings = Settings(data_dir=tmp_path, scenes=("main",))
    content = open_container(settings, "made-up", lambda: None, proxy_auth=True)
    try:
        assert [refusal_of(content, name) for name in ("made-up", "main", None)] == ["not_found"] * 3
    finally:
        content.scenes.close(5)
    assert list(tmp_path.iterdir()) == []


def refusal_of(content: Content, scene: str | None) -> str:
    with pytest.raises(RefusalError) as refused:
        content.scenes.get(scene)
    return refused.value.code
