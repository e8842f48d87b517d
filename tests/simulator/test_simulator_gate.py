"""Who may ask the simulator."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watcher.simulator.gate import Keyring, SignedRequest, verify
from watcher.sources.dlc.acs3 import AccessKey, canonical_query, percent_encode, signed_headers

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
KEY = AccessKey("keyid", "keysecret")
STS = AccessKey("stsid", "stssecret", "token")
RING = Keyring({KEY.key_id: KEY, STS.key_id: STS})


def signed(
    key: AccessKey = KEY, *, date: datetime = NOW, params: dict[str, str] | None = None, path: str = "/api/v1/jobs"
) -> SignedRequest:
    query = canonical_query(params or {})
    headers = signed_headers("ListJobs", "127.0.0.1:80", key, date, "nonce-1", path=path, query=query)
    return SignedRequest("GET", path, query, {name.lower(): value for name, value in headers.items()})


def code(request: SignedRequest, *, ring: Keyring = RING, used: frozenset[str] = frozenset()) -> str:
    refusal = verify(request, ring, NOW, used)
    return "" if refusal is None else refusal.code


def test_right_keys_are_let_in() -> None:
    assert code(signed()) == ""
    assert code(signed(STS)) == ""


def test_wrong_keys_are_refused() -> None:
    assert code(signed(AccessKey("nobody", "keysecret"))) == "InvalidAccessKeyId.NotFound"
    assert code(signed(AccessKey("keyid", "wrong"))) == "SignatureDoesNotMatch"


def test_a_refusal_holds_no_secret() -> None:
    refusal = verify(signed(AccessKey("stsid", "wrong", "token")), RING, NOW, frozenset())
    assert refusal is not None
    assert refusal.code == "SignatureDoesNotMatch"
    assert "stssecret" not in refusal.message
    assert "token" not in refusal.message


@pytest.mark.parametrize(
    ("shift", "expected"),
    [(timedelta(minutes=15), ""), (timedelta(minutes=-15), ""), (timedelta(seconds=901), "InvalidTimeStamp.Expired"),
     (timedelta(seconds=-901), "InvalidTimeStamp.Expired")],
)  # fmt: skip
def test_the_date_may_be_off_by_a_quarter_of_an_hour(shift: timedelta, expected: str) -> None:
    assert code(signed(date=NOW + shift)) == expected


def test_a_nonce_is_good_once() -> None:
    assert code(signed(), used=frozenset({"nonce-1"})) == "SignatureNonceUsed"


def test_the_token_must_be_there_fit_and_be_fresh() -> None:
    assert code(signed(AccessKey("stsid", "stssecret"))) == "MissingSecurityToken"
    assert code(signed(AccessKey("stsid", "stssecret", "other"))) == "InvalidSecurityToken.MismatchWithAccessKey"
    assert code(signed(AccessKey("keyid", "keysecret", "token"))) == "InvalidSecurityToken.MismatchWithAccessKey"
    assert code(signed(STS), ring=Keyring(RING.keys, frozenset({"stsid"}))) == "InvalidSecurityToken.Expired"


def test_what_is_changed_on_the_way_does_not_match() -> None:
    good = signed(params={"WorkspaceId": "268"})
    assert code(replace(good, query="WorkspaceId=269")) == "SignatureDoesNotMatch"
    assert code(replace(good, path="/api/v1/jobs/x")) == "SignatureDoesNotMatch"
    assert code(replace(good, method="PUT")) == "SignatureDoesNotMatch"
    assert code(replace(good, body=b"{}")) == "SignatureDoesNotMatch"
    assert code(replace(good, headers={**good.headers, "x-acs-action": "GetJob"})) == "SignatureDoesNotMatch"


@pytest.mark.parametrize(
    "name",
    [
        "authorization",
        "host",
        "x-acs-action",
        "x-acs-date",
        "x-acs-content-sha256",
        "x-acs-signature-nonce",
        "x-acs-version",
    ],
)
def test_no_part_may_be_missing(name: str) -> None:
    good = signed()
    assert (
        code(replace(good, headers={key: value for key, value in good.headers.items() if key != name}))
        == "IncompleteSignature"
    )


def test_every_x_acs_header_must_be_signed() -> None:
    good = signed()
    assert code(replace(good, headers={**good.headers, "x-acs-extra": "1"})) == "IncompleteSignature"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "acs id:signature",
        "ACS3-HMAC-SHA256 Credential=a",
        "ACS3-HMAC-SHA256 Credential=a,SignedHeaders=,Signature=zz",
    ],
)
def test_other_forms_of_authorization_are_refused(text: str) -> None:
    good = signed()
    assert code(replace(good, headers={**good.headers, "authorization": text})) == "IncompleteSignature"


def test_a_date_or_version_of_another_form_is_refused() -> None:
    good = signed()
    assert code(replace(good, headers={**good.headers, "x-acs-date": "today"})) == "InvalidTimeStamp.Format"
    assert code(replace(good, headers={**good.headers, "x-acs-version": "2019-01-01"})) == "InvalidVersion"


@given(
    params=st.dictionaries(st.text(min_size=1, max_size=8), st.text(max_size=12), max_size=4),
    name=st.text(min_size=1, max_size=12),
)
@settings(max_examples=200)
def test_whatever_is_signed_is_understood_also_with_plus_for_space(params: dict[str, str], name: str) -> None:
    try:
        path = f"/api/v1/jobs/{percent_encode(name)}"
        good = signed(params=params, path=path)
    except UnicodeEncodeError:  # lone surrogates cannot be sent at all
        return
    assert code(good) == ""
    assert code(replace(good, query=good.query.replace("%20", "+"))) == ""
    assert good.params == params
