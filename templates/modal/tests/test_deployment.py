"""What whoever deploys may say, and what the container finds of it."""

from __future__ import annotations

import pytest

from live_splat import setting_values
from live_splat.contract import LIMITS, SCENE_NAME
from live_splat.deployment import DEPLOYED_WITH, PASSED_ON, DeploymentError, deployment_from


@pytest.mark.parametrize(
    "settings",
    [{}, {"SPLAT_PROXY_AUTH": "1"}, {"SPLAT_SCENES": "main,left-arm"}],
    ids=["plain", "one scene", "open to strangers"],
)
def test_holds_all_scenes_in_one_container_otherwise(settings):
    assert not deployment_from(settings).own_containers


def test_finds_the_same_app_in_the_container_as_where_it_was_deployed():
    given = {"SPLAT_GPU": "T4", "SPLAT_WITH_BUCKET": "1", "SPLAT_SCALEDOWN_S": "2", "SPLAT_SCENES": "a,b"}
    deployed = deployment_from(given)
    assert deployment_from({**deployed.container_env, "SPLAT_API_TOKEN": "one"}) == deployed


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SPLAT_GPU", "L4:2"),
        ("SPLAT_GPU", ","),
        ("SPLAT_SCALEDOWN_S", "1"),
        ("SPLAT_SCALEDOWN_S", "soon"),
        ("SPLAT_PROXY_AUTH", "yes"),
        ("SPLAT_WITH_BUCKET", "true"),
        ("SPLAT_SCENES", "Main"),
        ("SPLAT_CORS_ORIGINS", "*"),
        ("SPLAT_MAX_GAUSSIANS", "many"),
        ("SPLAT_MAX_PIXELS", "1e6"),
        ("SPLAT_FRAME_MEMORY_MIB", "2GiB"),
        ("SPLAT_IDLE_STOP_S", "-1"),
        # What the container would refuse at each of its starts.
        ("SPLAT_CORS_ORIGINS", "https://example.org/page"),
        ("SPLAT_MAX_GAUSSIANS", "99999999"),
        ("SPLAT_MAX_PIXELS", "0"),
    ],
)
def test_refuses_a_setting_that_cannot_be_one_and_names_it(name, value):
    with pytest.raises(DeploymentError, match=name):
        deployment_from({name: value})


def test_the_same_numbers_bound_settings_and_what_a_scene_may_be_told():
    assert setting_values.GAUSSIANS[1] == LIMITS.gaussians
    assert setting_values.SCENE_NAME == SCENE_NAME


def test_takes_blank_settings_for_none():
    blank = dict.fromkeys([*PASSED_ON, *DEPLOYED_WITH], " ")
    assert deployment_from(blank) == deployment_from({})
