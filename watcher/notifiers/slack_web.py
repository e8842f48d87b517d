"""The way to Slack's Web API: one client with our token, address, proxy and patience, which repeats nothing by itself."""

from __future__ import annotations

import logging
from datetime import timedelta
from pathlib import Path
from typing import Final

import aiohttp
from pydantic import SecretStr
from slack_sdk.errors import SlackClientError
from slack_sdk.web.async_client import AsyncWebClient

from watcher.notifiers.addresses import reveal_now

# Everything that slack-sdk lets through: its own errors, those of aiohttp, and for a 200 that is not JSON an AttributeError or
# ValueError from its insides.
FOREIGN: Final = (SlackClientError, aiohttp.ClientError, OSError, TimeoutError, AttributeError, ValueError)

# slack-sdk writes whole requests to its debug log. Messages and addresses do not belong there, whatever the root logger says.
QUIET: Final = logging.getLogger("watcher.notifiers.slack.sdk")
QUIET.setLevel(logging.WARNING)


class SlackWeb:
    """Makes clients that share a session.

    Args:
        token: the bot token, or None.
        token_file: the file with it, or None; read anew for each client.
        base_url: Slack's API.
        timeout: for one whole request.
        proxy: address of an HTTP proxy, or None. Those of the environment are not used.
    """

    def __init__(
        self,
        token: SecretStr | None,
        token_file: Path | None,
        *,
        base_url: str,
        timeout: timedelta,
        proxy: SecretStr | None,
    ) -> None:
        self._token, self._token_file, self._base_url = token, token_file, base_url
        self._timeout, self._proxy = timeout, proxy
        self._session: aiohttp.ClientSession | None = None

    def client(self) -> AsyncWebClient:
        """A client for one exchange."""
        token = reveal_now(self._token, self._token_file, "token_file")
        if self._session is None:
            # A fresh connection for each request. At one message per second the handshake costs nothing, and a kept connection
            # that the far side has just closed would make an outcome doubtful where there is no need.
            length = self._timeout.total_seconds()
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=length, sock_connect=min(length, 10.0)),
                connector=aiohttp.TCPConnector(force_close=True),
            )
        client = AsyncWebClient(
            token=token, base_url=self._base_url, session=self._session, retry_handlers=[], logger=QUIET
        )
        # The client takes a proxy from the environment when it is given none.
        client.proxy = None if self._proxy is None else self._proxy.get_secret_value()
        return client

    async def aclose(self) -> None:
        """Let go of connections. May be called twice."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()
