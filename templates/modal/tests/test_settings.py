"""What the environment may say."""

from __future__ import annotations

from pathlib import Path

import pytest

from live_splat.settings import Settings, SettingsError, settings_from

KEY, SECRET = "an-access-key", "a-secret-key"
BUCKET = {
    "R2_ENDPOINT_URL": "https://account.r2.cloudflarestorage.com/",
    "R2_BUCKET_NAME": "splats",
    "AWS_ACCESS_KEY_ID": KEY,
    "AWS_SECRET_ACCESS_KEY": SECRET,
}


def test_an_empty_environment_gives_the_defaults() -> None:
    assert settings_from({}) == Settings()
    assert settings_from({"SPLAT_API_TOKEN": " ", "R2_BUCKET_NAME": ""}) == Settings()


def test_every_setting_is_read() -> None:
    settings = settings_from(
        {
            "SPLAT_API_TOKEN": " open-sesame ",
            "SPLAT_CORS_ORIGINS": "https://a.example/, http://localhost:5173,",
            "SPLAT_SCENES": "left,right,left",
            "SPLAT_DATA_DIR": "/somewhere",
            "SPLAT_MAX_PIXELS": "1000",
            "SPLAT_FRAME_MEMORY_MIB": "512",
            "SPLAT_MAX_GAUSSIANS": "5000",
            "SPLAT_IDLE_STOP_S": "0.5",
        },
        is_loopback=True,
    )
    assert settings == Settings(
        data_dir=Path("/somewhere"),
        token="open-sesame",
        cors_origins=("https://a.example", "http://localhost:5173"),
        scenes=("left", "right"),
        is_loopback=True,
        max_pixels=1000,
        frame_memory_mib=512,
        max_gaussians=5000,
        idle_stop_s=0.5,
    )


def test_zero_seconds_of_idleness_mean_never() -> None:
    assert settings_from({"SPLAT_IDLE_STOP_S": "0"}).idle_stop_s is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SPLAT_CORS_ORIGINS", "*"),
        ("SPLAT_CORS_ORIGINS", "https://a.example/page"),
        ("SPLAT_CORS_ORIGINS", "https://*.example"),
        ("SPLAT_CORS_ORIGINS", "null"),
        ("SPLAT_SCENES", "Main"),
        ("SPLAT_MAX_PIXELS", "0"),
        ("SPLAT_FRAME_MEMORY_MIB", "0"),
        ("SPLAT_MAX_GAUSSIANS", "99"),
        ("SPLAT_MAX_GAUSSIANS", "many"),
        ("SPLAT_IDLE_STOP_S", "-1"),
        ("SPLAT_IDLE_STOP_S", "nan"),
    ],
)
def test_a_value_that_cannot_be_one_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        settings_from({name: value})


def test_a_token_that_no_header_can_carry_is_refused_and_not_repeated() -> None:
    with pytest.raises(SettingsError, match="SPLAT_API_TOKEN") as caught:
        settings_from({"SPLAT_API_TOKEN": "open\nsesame"})
    assert "sesame" not in str(caught.value)


class TestBucket:
    def test_a_whole_set_makes_a_bucket(self) -> None:
        bucket = settings_from({**BUCKET, "R2_PUBLIC_URL": "https://pub.r2.dev/"}).bucket
        assert bucket is not None
        assert bucket.endpoint == "https://account.r2.cloudflarestorage.com"
        assert (bucket.bucket, bucket.public_url) == ("splats", "https://pub.r2.dev")
        assert (bucket.access_key_id, bucket.secret_access_key) == (KEY, SECRET)
        assert SECRET not in repr(bucket)

    def test_keys_alone_ask_for_none(self) -> None:
        keys = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET}
        assert settings_from(keys).bucket is None

    @pytest.mark.parametrize("missing", sorted(BUCKET))
    def test_an_incomplete_set_says_what_is_missing_and_no_secret(self, missing: str) -> None:
        given = {name: value for name, value in BUCKET.items() if name != missing}
        with pytest.raises(SettingsError, match=f"incomplete: no {missing}") as caught:
            settings_from(given)
        assert KEY not in str(caught.value)
        assert SECRET not in str(caught.value)

    def test_an_address_that_cannot_be_one_is_refused(self) -> None:
        with pytest.raises(SettingsError, match="R2_ENDPOINT_URL"):
            settings_from({**BUCKET, "R2_ENDPOINT_URL": "https://pub.r2.dev"})
