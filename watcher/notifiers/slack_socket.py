"""Presses of buttons over Socket Mode: a connection that we open, for where Slack cannot reach us.

https://docs.slack.dev/apis/events-api/using-socket-mode
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import anyio
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.async_client import AsyncBaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse
from slack_sdk.web.async_client import AsyncWebClient

from watcher.notifiers.slack_web import QUIET


async def hear(app_token: str, client: AsyncWebClient, take: Callable[[Mapping[str, Any]], bool]) -> None:
    """Hand over what Slack tells of buttons, until cancelled; slack-sdk keeps the connection.

    What is not acknowledged within three seconds is shown as failed to whoever pressed; so only what was taken is acknowledged.

    Args:
        app_token: an app-level token (xapp-...) with the scope `connections:write`.
        client: to open the connection with.
        take: whether there was room for a payload.
    """
    socket = SocketModeClient(app_token=app_token, web_client=client, logger=QUIET, proxy=client.proxy)

    async def heard(connection: AsyncBaseSocketModeClient, request: SocketModeRequest) -> None:
        if request.type != "interactive" or take(request.payload):
            await connection.send_socket_mode_response(SocketModeResponse(envelope_id=request.envelope_id))

    socket.socket_mode_request_listeners.append(heard)
    try:
        socket.wss_uri = (
            await socket.issue_new_wss_url()
        )  # `connect` would ask too, and try again for ever when refused
        await socket.connect()  # type: ignore[no-untyped-call]  # slack-sdk has left it so
        await anyio.sleep_forever()
    finally:
        with anyio.CancelScope(shield=True), anyio.move_on_after(2):
            await socket.close()  # type: ignore[no-untyped-call]  # as above
