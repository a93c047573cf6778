"""A bucket of Cloudflare R2, or of another server that speaks S3, with the settings that R2 needs.
Documents: R2's S3 API compatibility pages; boto3 and botocore. Every call makes one attempt and says what
went wrong; when to try again is ``bucket_trouble``'s."""

from __future__ import annotations

import base64
import hashlib
import io
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from live_splat.settings import BucketSettings

from .address import BucketAddress, check_address
from .errors import BucketError, bucket_error

CONNECT_TIMEOUT_S = 10.0
IDLE_TIMEOUT_S = 30.0
"""A connection on which nothing moves for this long is given up."""


@dataclass(frozen=True)
class ObjectFacts:
    """What a HEAD says of an object."""

    size_bytes: int
    sha256: str | None
    """As ``create`` kept it, hex; None when another program wrote the object."""


class Bucket:
    """See the top of the file; nothing is asked of it before the first call. Every method raises BucketError.
    Thread-safe."""

    def __init__(self, settings: BucketSettings, *, idle_timeout_s: float = IDLE_TIMEOUT_S) -> None:
        """Raises AddressError when the settings cannot be right."""
        self._address = check_address(settings.endpoint, settings.bucket, settings.public_url)
        self._s3 = _client(settings, self._address, idle_timeout_s)

    @property
    def id(self) -> str:
        """Tells this bucket from any other."""
        return f"{self._address.endpoint}/{self._address.bucket}"

    def url_of(self, key: str) -> str | None:
        """Where a browser reads ``key``; None when the bucket is not public."""
        public = self._address.public_url
        return None if public is None else f"{public}/{quote(key)}"

    def create(
        self, key: str, data: bytes, *, sha256: str, content_type: str, is_cut: Callable[[], bool]
    ) -> bool:
        """Store an object that never changes. False when something lies there already, which is left as it
        is. ``is_cut``: asked while sending; True = give up."""
        try:
            self._put(
                key, data, is_cut, ContentType=content_type, Metadata={"sha256": sha256}, IfNoneMatch="*"
            )
        except BucketError as error:
            if error.status == 412:
                return False
            raise
        return True

    def replace(self, key: str, data: bytes, *, content_type: str, is_cut: Callable[[], bool]) -> None:
        """Store an object that is read again and again while it changes: nobody may keep an old one."""
        self._put(key, data, is_cut, ContentType=content_type, CacheControl="no-store")

    def head(self, key: str) -> ObjectFacts | None:
        """What lies at ``key``; None when nothing does. A missing bucket looks the same: ``check`` tells
        it."""
        try:
            answer = self._call(self._s3.head_object, Key=key)
        except BucketError as error:
            if error.status == 404:
                return None
            raise
        return ObjectFacts(answer["ContentLength"], answer.get("Metadata", {}).get("sha256"))

    def check(self) -> None:
        """Whether the bucket is there and lets us in, asked by reading one byte: only such a call says what
        is wrong, for the answer to a HEAD has no words."""
        try:
            self._call(self._s3.get_object, Key="status.json", Range="bytes=0-0")["Body"].close()
        except BucketError as error:
            if error.code != "NoSuchKey":
                raise

    def close(self) -> None:
        """Let the connections go."""
        self._s3.close()

    def _put(self, key: str, data: bytes, is_cut: Callable[[], bool], **more: Any) -> None:
        md5 = hashlib.md5(data, usedforsecurity=False).digest()
        self._call(
            self._s3.put_object,
            Key=key,
            Body=_CuttableBody(data, is_cut),
            ContentLength=len(data),
            # Over TLS the signature does not cover the body: with this the server refuses a changed one.
            ContentMD5=base64.b64encode(md5).decode(),
            **more,
        )

    def _call(self, method: Callable[..., Any], **arguments: Any) -> Any:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return method(Bucket=self._address.bucket, **arguments)
        except (BotoCoreError, ClientError, CutError, OSError) as error:
            # Not chained: botocore's errors may hold whole requests, which a traceback would print.
            raise bucket_error(error, bucket=self._address.bucket, host=self._address.host) from None


class CutError(Exception):
    """The time is up."""


class _CuttableBody(io.BytesIO):
    """Bytes being sent, until somebody says stop: a slow upload must not outlive its time."""

    def __init__(self, data: bytes, is_cut: Callable[[], bool]) -> None:
        super().__init__(data)
        self._is_cut = is_cut

    def read(self, size: int | None = -1, /) -> bytes:
        if self._is_cut():
            raise CutError
        return super().read(size)


def _client(settings: BucketSettings, address: BucketAddress, idle_timeout_s: float) -> Any:
    # Loaded here: without a bucket nobody needs it.
    import boto3
    from botocore.config import Config

    # At level DEBUG they write signed requests down.
    for name in ("boto3", "botocore", "urllib3"):
        logging.getLogger(name).setLevel(logging.WARNING)
    is_local = address.path_style
    client = boto3.session.Session(
        aws_access_key_id=settings.access_key_id,
        aws_secret_access_key=settings.secret_access_key,
        region_name="auto",
    ).client(
        "s3",
        endpoint_url=address.endpoint,
        config=Config(
            signature_version="s3v4",
            s3={"addressing_style": "path" if is_local else "virtual"},
            # R2 refused the checksums that the SDKs began to add by themselves, and they need trailers that
            # few servers take.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            # Whoever calls decides when to try again.
            retries={"total_max_attempts": 1, "mode": "standard"},
            connect_timeout=CONNECT_TIMEOUT_S,
            read_timeout=idle_timeout_s,
            max_pool_connections=2,
            proxies={} if is_local else None,
        ),
    )
    # R2 does not answer `Expect: 100-continue`; botocore would wait a second for that before each body.
    client.meta.events.register("before-sign.s3.PutObject", _without_expect)
    return client


def _without_expect(request: Any, **_: Any) -> None:
    del request.headers["Expect"]
