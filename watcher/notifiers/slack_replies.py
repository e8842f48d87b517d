"""What Slack's answers mean for a delivery, as tables. Pure.

Error codes: https://docs.slack.dev/reference/methods/chat.postMessage#errors and, for incoming webhooks,
https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks#handling_errors
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import Any, Final

import aiohttp
from slack_sdk.errors import SlackApiError

from watcher.core.living import CardLoss
from watcher.errors import CardLost, NotifierError
from watcher.notifiers.replies import longer, seconds

TOO_ELABORATE: Final = frozenset({"invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long", "invalid_payload"})
"""Refusals of the blocks and not of the message: the same as plain text may pass."""


@dataclass(frozen=True, slots=True)
class _Meaning:
    permanent: bool = True
    pauses: bool = False
    fix: str = ""
    ambiguous: bool = False
    wait: timedelta | None = None


_NEW_KEY: Final = "Give the receiver a valid bot token (xoxb-...) from the app's page, OAuth & Permissions"
_CHANNEL: Final = (
    "Check the receiver's `to`: a channel id (C...) or #name in this workspace; invite the app to a private one"
)

CODES: Final[Mapping[str, _Meaning]] = {
    # the place
    "channel_not_found": _Meaning(fix=_CHANNEL),
    "not_in_channel": _Meaning(
        fix="Invite the app to the channel (/invite @app), or give it the scope chat:write.public"
    ),
    "is_archived": _Meaning(fix="Unarchive the channel, or name another one in the receiver's `to`"),
    "channel_is_archived": _Meaning(fix="Unarchive the channel, or make a webhook for another one"),
    "restricted_action": _Meaning(
        fix="The workspace does not let this app post there: ask an administrator, or name another channel"
    ),
    "restricted_action_read_only_channel": _Meaning(fix="The channel is read-only for this app: name another one"),
    "restricted_action_thread_only_channel": _Meaning(fix="The channel takes only threads: name another one"),
    "cannot_reply_to_message": _Meaning(fix="The message that starts the thread is of a kind that takes no replies"),
    "action_prohibited": _Meaning(fix="An administrator has restricted posting by webhooks there"),
    "posting_to_general_channel_denied": _Meaning(
        fix="An administrator has restricted posting to #general: use another channel"
    ),
    "user_not_found": _Meaning(fix="Check the receiver's `to`: there is no such user in this workspace"),
    # the token, or the webhook's address: nothing at all can be sent
    "not_authed": _Meaning(pauses=True, fix=_NEW_KEY),
    "invalid_auth": _Meaning(pauses=True, fix=_NEW_KEY),
    "token_revoked": _Meaning(pauses=True, fix=_NEW_KEY + "; this one was revoked"),
    "token_expired": _Meaning(pauses=True, fix=_NEW_KEY + "; this one has expired"),
    "account_inactive": _Meaning(
        pauses=True, fix="The app was uninstalled or its user deactivated: install it again and use the new token"
    ),
    "missing_scope": _Meaning(pauses=True, fix="Give the app the scope chat:write and install it again"),
    "no_permission": _Meaning(
        pauses=True, fix="The token may not post: give the app the scope chat:write and install it again"
    ),
    "not_allowed_token_type": _Meaning(pauses=True, fix=_NEW_KEY + "; this one is of another kind"),
    "access_denied": _Meaning(pauses=True, fix="Slack refuses this app: ask an administrator of the workspace"),
    "org_login_required": _Meaning(
        permanent=False, pauses=True, fix="The workspace is being migrated; it will work again afterwards"
    ),
    "ekm_access_denied": _Meaning(pauses=True, fix="The workspace's key management forbids it: ask an administrator"),
    "team_access_not_granted": _Meaning(pauses=True, fix="The app has no access to this workspace: install it there"),
    "accesslimited": _Meaning(pauses=True, fix="Slack limits the access of this app: see the app's page"),
    "two_factor_setup_required": _Meaning(
        pauses=True, fix="Two-factor authentication must be set up for the token's user"
    ),
    "invalid_token": _Meaning(pauses=True, fix="The webhook's address is not valid: make a new one on the app's page"),
    "no_active_hooks": _Meaning(pauses=True, fix="The webhook was removed: make a new one on the app's page"),
    "no_service": _Meaning(pauses=True, fix="The webhook was removed or disabled: make a new one on the app's page"),
    "no_team": _Meaning(pauses=True, fix="The webhook's workspace is gone: make a new one"),
    "team_disabled": _Meaning(pauses=True, fix="The workspace is disabled"),
    # the message
    "no_text": _Meaning(fix="Slack says the message is empty: please report this as an error of dlc-watcher"),
    "msg_too_long": _Meaning(
        fix="The message is too long even as plain text: please report this as an error of dlc-watcher"
    ),
    "invalid_arguments": _Meaning(
        fix="Slack does not take the message's form: please report this as an error of dlc-watcher"
    ),
    "invalid_metadata_format": _Meaning(
        fix="Slack does not take the metadata: please report this as an error of dlc-watcher"
    ),
    "message_limit_exceeded": _Meaning(
        permanent=False, pauses=True, wait=timedelta(minutes=10), fix="The workspace has used up its messages"
    ),
    # passing
    "ratelimited": _Meaning(permanent=False, pauses=True),
    "rate_limited": _Meaning(permanent=False, pauses=True),
    "rollup_error": _Meaning(permanent=False, ambiguous=True),
    "service_unavailable": _Meaning(permanent=False),
    "team_added_to_org": _Meaning(
        permanent=False, fix="The workspace is being moved into an organisation; it will pass"
    ),
    "request_timeout": _Meaning(permanent=False),
    # Slack's own words on these two: some part of the operation may have succeeded before the error.
    "fatal_error": _Meaning(permanent=False, ambiguous=True),
    "internal_error": _Meaning(permanent=False, ambiguous=True),
    **{
        code: _Meaning(fix="Slack does not take the blocks: please report this as an error of dlc-watcher")
        for code in sorted(TOO_ELABORATE)
    },
}
"""What each code means. One not listed here is new to us and is tried again until the schedule ends."""

_CODE: Final = re.compile(r"[a-z][a-z0-9_]{1,60}")


def classify(failure: BaseException, *, place: str = "Slack") -> NotifierError:
    """What an exception on the way to Slack means.

    Args:
        failure: what slack-sdk, or aiohttp under it, raised. A refused connection and one that broke later are told apart.
        place: where it was going, for the sentence.
    """
    match failure:
        case SlackApiError():
            answer = failure.response
            status = int(getattr(answer, "status_code", 0) or getattr(answer, "status", 0) or 0)
            return classify_answer(error_code(failure), status, _headers(answer), place=place)
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientConnectorSSLError():
            return NotifierError(
                f"the TLS certificate of {place} was not accepted",
                code="certificate",
                fix="Something on the way may be re-signing TLS; check the proxy and this machine's CA certificates and clock",
                pauses_receiver=True,
            )
        # These come before a single byte of the request was written.
        case aiohttp.ClientConnectorError() | aiohttp.ConnectionTimeoutError():
            return NotifierError(
                f"{place} cannot be reached", code="connect", fix="Check the network, DNS and the `proxy` setting"
            )
        case TimeoutError():
            return NotifierError(f"{place} did not answer in time", ambiguous=True, code="timeout")
        case aiohttp.ClientError() | OSError():
            return NotifierError(
                f"the connection to {place} broke before it answered", ambiguous=True, code="disconnected"
            )
        case _:
            return _garbled(place, type(failure).__name__)


LOST: Final[Mapping[str, CardLoss]] = {
    "message_not_found": CardLoss.DELETED,
    "cant_update_message": CardLoss.FROZEN,
    "edit_window_closed": CardLoss.FROZEN,
    "is_inactive": CardLoss.FROZEN,
    "is_archived": CardLoss.PLACE_GONE,
    "channel_not_found": CardLoss.PLACE_GONE,
    "not_in_channel": CardLoss.PLACE_GONE,
}
"""Refusals of `chat.update` after which the message can never be changed again where it stands.

https://docs.slack.dev/reference/methods/chat.update#errors
"""


def classify_update(failure: BaseException, *, place: str) -> NotifierError:
    """As `classify`, for a message that was to be changed in place."""
    code = error_code(failure)
    if code not in LOST:
        return classify(failure, place=place)
    return CardLost(f"the card in {place} cannot be changed any more: {code}", loss=LOST[code].value, code=code)


def error_code(failure: BaseException) -> str:
    """Slack's own word for a refusal; "" when it is something else."""
    return _code(getattr(failure.response, "data", None)) if isinstance(failure, SlackApiError) else ""


def _garbled(place: str, what: str) -> NotifierError:
    return NotifierError(
        f"{place} answered, but not as Slack does ({what})",
        ambiguous=True,
        code="garbled",
        fix="Something else, such as a captive portal or a proxy, may be answering in Slack's place",
    )


def classify_answer(code: str, status: int, headers: Mapping[str, str], *, place: str = "Slack") -> NotifierError:
    """What a refusal means, by its code first and its HTTP status second.

    Args:
        code: Slack's word, or "" when the answer had none.
        status: the HTTP status.
        headers: of the answer; only Retry-After is read, in any case.
        place: where it was going.
    """
    wish = seconds(headers)
    known = CODES.get(code)
    if status == HTTPStatus.TOO_MANY_REQUESTS or code in {"ratelimited", "rate_limited"}:
        return NotifierError(
            f"{place} asks for a slower pace",
            code=code or "429",
            retry_after=wish or timedelta(seconds=1),
            pauses_receiver=True,
        )
    if known is None and not code and status < HTTPStatus.MULTIPLE_CHOICES:
        return _garbled(place, f"HTTP {status} without a word of Slack's")
    if known is None:
        permanent = status in {400, 403, 404, 410, 413} and not code
        return NotifierError(
            f"{place} refused the message: {code or f'HTTP {status}'}",
            permanent=permanent,
            ambiguous=status >= HTTPStatus.INTERNAL_SERVER_ERROR,
            retry_after=wish,
            code=code or str(status),
            fix="Check the address: this is not how Slack answers" if permanent else "",
        )
    return NotifierError(
        f"{place} refused the message: {code}",
        permanent=known.permanent,
        ambiguous=known.ambiguous,
        retry_after=None if known.permanent else longer(wish, known.wait),
        code=code,
        fix=known.fix,
        pauses_receiver=known.pauses,
    )


def webhook_code(body: bytes) -> str:
    """The code in an incoming webhook's answer, which is one bare word; "" when it is anything else."""
    word = body[:100].decode("ascii", errors="replace").strip()
    return word if _CODE.fullmatch(word) else ""


def _code(data: Any) -> str:
    word = data.get("error") if isinstance(data, dict) else None
    return word if isinstance(word, str) and _CODE.fullmatch(word) else ""


def _headers(answer: Any) -> Mapping[str, str]:
    headers = getattr(answer, "headers", None)
    return dict(headers) if isinstance(headers, Mapping) else {}
