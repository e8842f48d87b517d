"""A small world for the acceptance tests: a simulated region, a Slack workspace and a mail server, all on this machine."""

from __future__ import annotations

import contextlib
import json
import ssl
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import trustme

from watcher.simulator import DEMO_KEY, Simulator, SimulatorServer, load_scenario
from watcher.testing.slack import Post, SlackServer, serve_slack
from watcher.testing.smtp import MailServer, serve_mail

HERE = Path(__file__).parent
SMTP_PASSWORD = "canary-smtp-password"


@dataclass
class World:
    simulator: Simulator
    server: SimulatorServer
    slack: SlackServer
    mail: MailServer
    folder: Path

    def configuration(self, *, poll: str, http_port: int | None = None) -> str:
        """The configuration of a service in this world, as a user would write it."""
        return f"""
sources:
  here:
    kind: dlc
    region: cn-hangzhou
    endpoint: "{self.server.url}"
    workspaces: ["268"]
    credentials: {{kind: access_key, key_id: "{DEMO_KEY.key_id}", secret_file: key-secret}}
    poll_every: {poll}
    discover_every: {poll}
    budget: {{requests_per_second: 200, concurrency: 8}}
store: {{url: "sqlite:///{self.folder}/watcher.db"}}
receivers:
  team: {{slack: {{token_file: slack-token, to: "#ml-jobs", base_url: "{self.slack.base_url}"}}}}
  oncall:
    email:
      host: 127.0.0.1
      port: {self.mail.port}
      ca_file: ca.pem
      from: dlc@example.com
      to: [oncall@example.com]
      username: dlc
      password_file: smtp-password
route:
  receiver: team
  routes:
    - {{match: {{name: "prod-*"}}, receiver: oncall, continue: true}}
    - {{receiver: team}}
service: {{http: {{port: {json.dumps(http_port)}}}}}
"""

    @property
    def slack_said(self) -> list[Post]:
        """What was said on Slack, without the cards."""
        return [post for post in self.slack.posts if not post.card]

    def slack_threads(self) -> dict[str, list[str]]:
        """Job name in the card at the root ("square name: how it stands") -> texts of the replies, in order of arrival."""
        cards = {post.ts: post.text.split(": ")[0].split(" ", 1)[1] for post in self.slack.posts if post.card}
        assert len(set(cards.values())) == len(cards), f"two cards of one job: {cards}"
        threads: dict[str, list[str]] = defaultdict(list)
        for post in self.slack_said:
            threads[cards[post.thread_ts]].append(post.text)
        return dict(threads)

    def mail_threads(self) -> dict[str, list[str]]:
        """Subject -> plain texts, in order of arrival."""
        threads: dict[str, list[str]] = defaultdict(list)
        for mail in self.mail.mails:
            body = mail.message.get_body(("plain",))
            assert body is not None
            threads[str(mail.message["Subject"])].append(body.get_content())
        return dict(threads)


@contextlib.asynccontextmanager
async def world(folder: Path, scenario: str, clock: object = None) -> AsyncIterator[World]:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    mail = MailServer(username="dlc", password=SMTP_PASSWORD, tls="starttls", tls_context=context)
    slack = SlackServer(pace=None)
    (folder / "slack-token").write_text(slack.token)
    (folder / "smtp-password").write_text(SMTP_PASSWORD)
    (folder / "key-secret").write_text(DEMO_KEY.secret)
    simulator = Simulator(load_scenario(HERE / scenario), clock=clock)  # type: ignore[arg-type]
    async with SimulatorServer(simulator) as server, serve_slack(slack), serve_mail(mail):
        yield World(simulator, server, slack, mail, folder)
