"""Our signature equals the official SDK's, byte for byte."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.errors import InvalidRequest
from watcher.sources.dlc.acs3 import (
    ALGORITHM,
    AccessKey,
    Signer,
    authorization,
    canonical_query,
    canonical_request,
    content_sha256,
    percent_encode,
    signature,
    signed_headers,
)

KEY = AccessKey("LTAI-fake-id", "fake-secret-0123456789")
STS = AccessKey("STS.fake-id", "fake-secret-0123456789", "fake/token+with=odd==")
HEADERS = {
    "host": "pai-dlc.cn-hangzhou.aliyuncs.com",
    "accept": "application/json",
    "x-acs-version": "2020-12-03",
    "x-acs-action": "GetJob",
    "x-acs-date": "2026-01-02T03:04:05Z",
    "x-acs-signature-nonce": "0123456789abcdef",
}


def official(  # noqa: PLR0917
    key: AccessKey, method: str, path: str, params: Mapping[str, str], headers: Mapping[str, str], body: bytes
) -> str:
    """What the SDK's own signer makes of the same request."""
    from alibabacloud_tea_openapi.utils import Utils
    from darabonba.request import DaraRequest

    request = DaraRequest()
    request.method, request.pathname = method, path
    request.query, request.headers = dict(params), dict(headers)
    return str(Utils.get_authorization(request, ALGORITHM, Utils.hash(body, ALGORITHM).hex(), key.key_id, key.secret))


def ours(  # noqa: PLR0917
    key: AccessKey, method: str, path: str, params: Mapping[str, str], headers: Mapping[str, str], body: bytes
) -> str:
    return authorization(key, method, path, canonical_query(params), headers, content_sha256(body))


@pytest.mark.parametrize("key", [KEY, STS], ids=["plain", "sts"])
@pytest.mark.parametrize(
    ("method", "path", "params", "extra", "body"),
    [
        pytest.param("GET", "/api/v1/jobs/dlc1fake", {}, {}, b"", id="plain"),
        pytest.param("GET", "/api/v1/jobs/dlc1fake", {"NeedDetail": "true"}, {}, b"", id="query"),
        pytest.param("GET", "/api/v1/jobs", {"DisplayName": "", "JobId": ""}, {}, b"", id="empty values"),
        pytest.param("GET", "/api/v1/jobs/a%20b%2Fc%2A~%E4%BD%A0", {"Q": "a b*~+/=&?#%你😀"}, {}, b"", id="odd"),
        pytest.param("GET", "/api/v1/jobs", {"Tags": '{"a":"b c"}', "JobIds": "a,b,c"}, {}, b"", id="json and commas"),
        pytest.param("GET", "/api/v1/jobs", {"b": "1", "B": "2", "a": "3", "_": "4"}, {}, b"", id="sorting"),
        pytest.param("GET", "", {}, {}, b"", id="empty path"),
        pytest.param("GET", "/x", {}, {"host": "127.0.0.1:8080"}, b"", id="host with port"),
        pytest.param("GET", "/x", {}, {"X-Acs-Upper": "  spaced  "}, b"", id="header case and spaces"),
        pytest.param(
            "PUT", "/x", {}, {"content-type": "application/json; charset=utf-8"}, '{"P":"你"}'.encode(), id="body"
        ),
    ],
)
def test_authorization_equals_that_of_the_official_sdk(  # noqa: PLR0917
    key: AccessKey, method: str, path: str, params: dict[str, str], extra: dict[str, str], body: bytes
) -> None:
    headers = {**HEADERS, "x-acs-content-sha256": content_sha256(body), **extra}
    if key.security_token:
        headers |= {"x-acs-accesskey-id": key.key_id, "x-acs-security-token": key.security_token}
    assert ours(key, method, path, params, headers, body) == official(key, method, path, params, headers, body)


names = st.text("abcXYZ019-_.~", min_size=1, max_size=8)  # the SDK does not encode names, so the two agree on these
texts = st.text(max_size=20).filter(lambda text: not any("\ud800" <= char <= "\udfff" for char in text))
header_values = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=20)


@given(
    params=st.dictionaries(names, texts, max_size=6),
    segments=st.lists(texts, max_size=4),
    headers=st.dictionaries(st.from_regex(r"x-acs-[a-z]{1,6}", fullmatch=True), header_values, max_size=5),
    secret=texts,
    body=st.binary(max_size=50),
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE"]),
)
def test_authorization_equals_that_of_the_official_sdk_for_any_input(  # noqa: PLR0917
    params: dict[str, str],
    segments: list[str],
    headers: dict[str, str],
    secret: str,
    body: bytes,
    method: str,
) -> None:
    path = "/" + "/".join(percent_encode(segment) for segment in segments)
    key = AccessKey("id", secret)
    all_headers = {"host": "h", **headers}
    assert ours(key, method, path, params, all_headers, body) == official(key, method, path, params, all_headers, body)


def test_the_documentations_published_vector_is_reproduced() -> None:
    headers = {
        "host": "ecs.cn-shanghai.aliyuncs.com",
        "x-acs-action": "RunInstances",
        "x-acs-content-sha256": content_sha256(b""),
        "x-acs-date": "2023-10-26T10:22:32Z",
        "x-acs-signature-nonce": "3156853299f313e23d1673dc12e1703d",
        "x-acs-version": "2014-05-26",
    }
    query = canonical_query(
        {"ImageId": "win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd", "RegionId": "cn-shanghai"}
    )
    told = authorization(
        AccessKey("YourAccessKeyId", "YourAccessKeySecret"),
        "POST",
        "/",
        query,
        headers,
        headers["x-acs-content-sha256"],
    )
    assert told.endswith("Signature=06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0")


def test_the_signed_header_set_verifies_and_carries_the_sts_token() -> None:
    at = datetime(2026, 1, 2, 11, 4, 5, tzinfo=timezone(timedelta(hours=8)))
    headers = signed_headers("GetJob", "h:81", STS, at, "n1", path="/api/v1/jobs/j", query="NeedDetail=true")
    told = headers.pop("Authorization")
    assert headers["x-acs-date"] == "2026-01-02T03:04:05Z"
    assert headers["x-acs-security-token"] == STS.security_token
    signed = told.split("SignedHeaders=")[1].split(",")[0].split(";")
    assert {"host"} | {name for name in headers if name.startswith("x-acs-")} <= set(signed)
    canonical = canonical_request(
        "GET", "/api/v1/jobs/j", "NeedDetail=true", headers, signed, headers["x-acs-content-sha256"]
    )
    assert told.endswith("Signature=" + signature(STS.secret, canonical))


def test_without_a_token_no_token_header_is_sent() -> None:
    headers = signed_headers("GetJob", "h", KEY, datetime(2026, 1, 1, tzinfo=UTC), "n", path="/")
    assert not [name for name in headers if "token" in name or "accesskey" in name]


def test_the_repr_of_a_key_shows_no_secret() -> None:
    assert repr(STS) == "AccessKey(key_id='STS.fake-id')"


texts = st.text(st.characters(codec="ascii", categories=("L", "N", "P")), min_size=1, max_size=40)


@given(
    token=st.none() | texts,
    date=st.datetimes(min_value=datetime(2000, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    nonce=texts,
    job=st.text(max_size=20),
    params=st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3),
)
def test_a_signer_for_many_requests_makes_what_the_single_one_makes(
    token: str | None, date: datetime, nonce: str, job: str, params: dict[str, str]
) -> None:
    try:
        path, query = f"/api/v1/jobs/{percent_encode(job)}", canonical_query(params)
    except UnicodeEncodeError:
        return
    key = AccessKey("LTAI-fake-id", "fake-secret-0123456789", token)
    once = signed_headers("GetJob", "127.0.0.1:80", key, date, nonce, path=path, query=query)
    lines = Signer("GetJob", "127.0.0.1:80", key).lines(date, nonce, path, query)
    assert lines.endswith("\r\n")
    assert dict(line.split(": ", 1) for line in lines[:-2].split("\r\n")) == once


@pytest.mark.parametrize("token", ["fake\r\nx-evil: 1", "fake ", "", "fäke"], ids=["lines", "space", "empty", "umlaut"])
def test_a_token_that_cannot_stand_in_a_header_is_refused_without_being_repeated(token: str) -> None:
    key = AccessKey("LTAI-fake-id", "fake-secret-0123456789", token)
    if not token:
        assert "security-token" not in Signer("GetJob", "h", key).lines(datetime.now(UTC), "n", "/")
        return
    with pytest.raises(InvalidRequest, match="cannot be sent") as caught:
        Signer("GetJob", "h", key)
    assert token not in str(caught.value)
