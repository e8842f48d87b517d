"""The settings of a Slack receiver."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from watcher import settings as _settings
from watcher.notifiers.addresses import LOOPBACK, Timeout, check_web_address
from watcher.settings import SecretFile, exactly_one


class Interactive(_settings.Settings):
    """Buttons, and how a press comes back: one of the two ways.

    Either the app's signing secret, and `https://.../slack/interactions` of our own HTTP server as the app's request URL (behind a
    proxy that speaks https and passes nothing else on); or an app-level token for Socket Mode, where nobody need reach us.
    """

    signing_secret: SecretStr | None = None
    """The app's signing secret. Prefer `signing_secret_file`, or `${VARIABLE}`."""
    signing_secret_file: SecretFile | None = None
    """File with the app's signing secret. Read anew for each press."""
    app_token: SecretStr | None = None
    """App-level token (xapp-...) with the scope connections:write. Prefer `app_token_file`, or `${VARIABLE}`."""
    app_token_file: SecretFile | None = None
    """File with the app-level token."""

    @model_validator(mode="after")
    def _one_way(self) -> Interactive:
        exactly_one(self, "signing_secret_file", "signing_secret", "app_token_file", "app_token")
        return self

    @property
    def by_http(self) -> bool:
        """Whether presses are posted to our HTTP server."""
        return self.signing_secret is not None or self.signing_secret_file is not None


class SlackSettings(_settings.Settings):
    """A Slack receiver: either a bot token with `to`, or the address of an incoming webhook.

    The app needs the scope `chat:write`. With `channels:history` (`groups:history` for private channels) and `channels:read` too,
    a message whose outcome is not known is looked up before it is sent again, so that nobody reads it twice. By `users:read.email`
    the owners of jobs are found from their mail addresses, with `im:write` they can be told alone.
    """

    token: SecretStr | None = None
    """Bot token (xoxb-...). Prefer `token_file`, or `${VARIABLE}`."""
    token_file: SecretFile | None = None
    """File with the bot token. Read anew for each message, so that a changed token is used at once."""
    webhook_url: SecretStr | None = None
    """Address of an incoming webhook, instead of a token. It is a secret. No threads, and no look-up before a repeat."""
    webhook_url_file: SecretFile | None = None
    to: str | None = Field(default=None, min_length=1, max_length=120)
    """Channel: #name or id (the id survives a renaming), or a user's id. A webhook has its channel built in."""
    cards: bool = True
    """Whether the root of a job's thread is its status card, changed in place as the job goes on. Only with a token."""
    interactive: Interactive | None = None
    """Buttons on messages and cards: acknowledge, silence for an hour or until the job ends, show the end of a log. Only with a
    token; showing a long log takes the scope `files:write`."""
    broadcast: Literal["critical", "warning", "never"] = "critical"
    """How loud a reply in a thread must be to show in the channel too: threads are easily overlooked, failures must not be."""
    timeout: Timeout = timedelta(seconds=30)
    """For one whole request."""
    proxy: SecretStr | None = None
    """Address of an HTTP proxy for requests to Slack. Proxies of the environment are not used."""
    base_url: str = "https://slack.com/api/"
    """Slack's API, or one that speaks the same (GovSlack, a test server). Plain http is allowed to this machine only."""

    @model_validator(mode="after")
    def _one_way_in(self) -> SlackSettings:
        exactly_one(self, "token_file", "token", "webhook_url_file", "webhook_url")
        if self.by_webhook and self.to is not None:
            raise ValueError("`to` goes with a token; an incoming webhook has its channel built in")
        if not self.by_webhook and self.to is None:
            raise ValueError('`to` is missing: name the channel, for example to: "#ml-jobs"')
        if self.by_webhook and self.interactive is not None:
            raise ValueError("`interactive` goes with a token; an incoming webhook has no buttons")
        return self

    @field_validator("webhook_url")
    @classmethod
    def _webhook_is_web(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None:
            check_web_address(url.get_secret_value(), allow_http=_on_this_machine(url.get_secret_value()))
        return url

    @field_validator("webhook_url_file")
    @classmethod
    def _file_is_web(cls, file: Path | None) -> Path | None:
        if file is not None:
            url = file.read_text(encoding="utf-8").strip()
            check_web_address(url, allow_http=_on_this_machine(url))
        return file

    @field_validator("base_url")
    @classmethod
    def _base_is_web(cls, url: str) -> str:
        check_web_address(url, allow_http=_on_this_machine(url))
        return url if url.endswith("/") else url + "/"

    @property
    def by_webhook(self) -> bool:
        """Whether it posts through an incoming webhook."""
        return self.webhook_url is not None or self.webhook_url_file is not None


def _on_this_machine(url: str) -> bool:
    try:
        return urlsplit(url).hostname in LOOPBACK
    except ValueError:
        return False
