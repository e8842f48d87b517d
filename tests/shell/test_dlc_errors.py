"""The table from Code and status to what a refusal means."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.errors import GarbledAnswer, InvalidRequest, JobNotFound, SourceError
from watcher.sources.dlc.errors import (
    CODES,
    ErrorBody,
    Refusal,
    clean,
    error_from,
    read_error_body,
    refusal_of,
    retry_after,
)

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
STATUSES_OF_ALL_HUNDREDS = (
    100,
    204,
    301,
    302,
    400,
    401,
    403,
    404,
    405,
    408,
    409,
    413,
    418,
    429,
    499,
    500,
    502,
    503,
    504,
    599,
)


@pytest.mark.parametrize("status", STATUSES_OF_ALL_HUNDREDS)
@pytest.mark.parametrize(
    ("code", "refusal"),
    [
        ("Throttling", Refusal.THROTTLED),
        ("Throttling.User", Refusal.THROTTLED),
        ("Throttling.Api", Refusal.THROTTLED),
        ("throttling.api", Refusal.THROTTLED),
        ("SignatureNonceUsed", Refusal.NONCE_USED),
        ("InvalidTimeStamp.Expired", Refusal.CLOCK_SKEWED),
        ("IllegalTimestamp", Refusal.CLOCK_SKEWED),
        ("InvalidSecurityToken.Expired", Refusal.TOKEN_REFUSED),
        ("InvalidSecurityToken.MismatchWithAccessKey", Refusal.TOKEN_REFUSED),
        ("SecurityTokenExpired", Refusal.TOKEN_REFUSED),
        ("InvalidAccessKeyId.NotFound", Refusal.KEY_REFUSED),
        ("InvalidAccessKeyId.Inactive", Refusal.KEY_REFUSED),
        ("SignatureDoesNotMatch", Refusal.KEY_REFUSED),
        ("IncompleteSignature", Refusal.KEY_REFUSED),
        ("Forbidden.RAM", Refusal.FORBIDDEN),
        ("Forbidden.AccessDenied", Refusal.FORBIDDEN),
        ("NoPermission", Refusal.FORBIDDEN),
        ("InvalidParameter", Refusal.INVALID),
        ("BadRequest", Refusal.INVALID),
        ("InvalidAction.NotFound", Refusal.INVALID),
        ("WorkspaceNotFound", Refusal.INVALID),
        ("InternalError", Refusal.SERVER_FAULT),
        ("ServiceUnavailable", Refusal.SERVER_FAULT),
        ("ServiceUnavailableTemporary", Refusal.SERVER_FAULT),
    ],
)
def test_a_known_code_decides_whatever_the_status(status: int, code: str, refusal: Refusal) -> None:
    assert refusal_of(status, code) is refusal


@pytest.mark.parametrize("code", ["NotFound", "JobNotFound", "Job.NotFound", "InvalidJobId.NotFound", "NotFound.Job"])
def test_not_found_needs_a_4xx(code: str) -> None:
    assert refusal_of(404, code) is Refusal.NOT_FOUND
    assert refusal_of(400, code) is Refusal.NOT_FOUND
    assert refusal_of(500, code) is Refusal.SERVER_FAULT


@pytest.mark.parametrize(
    ("status", "refusal"),
    [
        (400, Refusal.INVALID),
        (401, Refusal.KEY_REFUSED),
        (403, Refusal.FORBIDDEN),
        (404, Refusal.GARBLED),
        (405, Refusal.INVALID),
        (408, Refusal.SERVER_FAULT),
        (429, Refusal.THROTTLED),
        (500, Refusal.SERVER_FAULT),
        (503, Refusal.SERVER_FAULT),
        (204, Refusal.GARBLED),
        (302, Refusal.GARBLED),
    ],
)
@pytest.mark.parametrize("code", ["", "SomethingNew"])
def test_without_a_known_code_the_status_decides(status: int, refusal: Refusal, code: str) -> None:
    assert refusal_of(status, code) is refusal


def test_no_pattern_is_shadowed_by_an_earlier_one() -> None:
    for index, (pattern, refusal) in enumerate(CODES):
        example = pattern.replace("*", "x")
        first = next(i for i, (earlier, _) in enumerate(CODES) if _fits(example, earlier))
        assert first == index or CODES[first][1] is refusal, pattern


def _fits(code: str, pattern: str) -> bool:
    from fnmatch import fnmatchcase

    return fnmatchcase(code, pattern)


@given(status=st.integers(100, 599), code=st.text(max_size=30), message=st.text(max_size=50), job=st.text(max_size=5))
def test_every_answer_has_an_error(status: int, code: str, message: str, job: str) -> None:
    error = error_from(status, {}, ErrorBody(code, message, "R"), action="GetJob", now=NOW, about_job=job)
    assert isinstance(error, SourceError)
    assert str(error)


@pytest.mark.parametrize("body", [ErrorBody(), ErrorBody("SomethingNew", "m", "R")])
def test_without_a_known_code_nothing_is_permanent_or_about_the_job(body: ErrorBody) -> None:
    for status in STATUSES_OF_ALL_HUNDREDS:
        error = error_from(status, {}, body, action="GetJob", now=NOW, about_job="j")
        assert not error.permanent
        assert not isinstance(error, JobNotFound)


def test_not_found_of_a_list_is_not_a_missing_job() -> None:
    body = ErrorBody("NotFound", "no", "R")
    assert type(error_from(404, {}, body, action="ListJobs", now=NOW)) is InvalidRequest
    assert type(error_from(404, {}, body, action="GetJob", now=NOW, about_job="j")) is JobNotFound
    no_id = ErrorBody("NotFound", "no")
    assert type(error_from(404, {}, no_id, action="GetJob", now=NOW, about_job="j")) is GarbledAnswer


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({}, None),
        ({"x-acs-retry-after": "1500"}, timedelta(seconds=1.5)),
        ({"x-acs-retry-after": "1500", "retry-after": "9"}, timedelta(seconds=1.5)),
        ({"x-acs-retry-after": "soon", "retry-after": "9"}, timedelta(seconds=9)),
        ({"retry-after": "Fri, 02 Jan 2026 03:05:05 GMT"}, timedelta(seconds=60)),
        (
            {"retry-after": "Fri, 02 Jan 2026 05:05:05 GMT", "date": "Fri, 02 Jan 2026 05:05:00 GMT"},
            timedelta(seconds=5),
        ),
        ({"retry-after": "Fri, 02 Jan 2026 03:00:05 GMT"}, None),
        ({"retry-after": "99999999999999"}, timedelta(hours=1)),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "\u0661"}, None),
        ({"retry-after": "whenever"}, None),
    ],
)
def test_how_long_to_wait_is_read_from_either_header(headers: dict[str, str], wait: timedelta | None) -> None:
    assert retry_after(headers, NOW) == wait


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b'{"Code":"A.B","Message":"m","RequestId":"r"}', ErrorBody("A.B", "m", "r")),
        (b'{"code":"A","message":"m","requestId":"r"}', ErrorBody("A", "m", "r")),
        (b'{"Code":5,"Message":null}', ErrorBody()),
        (b'{"Code":"A\\nB<x>","RequestId":"r\\r\\nX: y"}', ErrorBody("ABx", "", "rX:y")),
        (b"[]", ErrorBody()),
        (b"<html>", ErrorBody()),
        (b"", ErrorBody()),
        (b'{"Code":"A"' + b" " * 300_000 + b"}", ErrorBody()),
    ],
)
def test_an_error_body_is_read_in_any_spelling(body: bytes, told: ErrorBody) -> None:
    assert read_error_body(body) == told


def test_a_servers_sentence_is_cleaned() -> None:
    assert clean("bad. server string to sign is:GET&secret") == "bad"
    assert clean("Signature " + "0f" * 32 + " refused") == "Signature *** refused"
    assert clean("the token tok-1 and\x1b[31m\u202e more", ["tok-1", ""]) == "the token *** and [31m  more"
    assert len(clean("x" * 5000)) == 400
