"""Mails of one job are one thread, and of two jobs two, as an IMAP server sees it; over a real SMTP server that fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.peers_imap import threads_of
from tests.shell.test_mail_recipients import MINUTE, office

pytestmark = pytest.mark.anyio


async def test_each_job_is_one_thread_whatever_the_server_did_on_the_way(tmp_path: Path) -> None:
    async with office(tmp_path, gone="550 5.1.1 no such user") as told:
        async with told.open() as desk:
            for name in ("queued", "started", "evicted"):
                for job_id in ("dlc1", "dlc2", "dlc3"):
                    await desk.owe(job_id, f"{name}-{job_id}")
                    # Each third is taken, and the server's word for it gets lost: it is sent again under the same id.
                    if job_id == "dlc3":
                        told.server.answer("DATA", "drop_after_accept")
                    await desk.dispatcher.send_next()
                    told.clock._now += 2 * MINUTE
                    await desk.dispatcher.send_next()
        async with told.open() as desk:  # and after a restart
            desk._count = 9
            await desk.owe("dlc1", "done-dlc1")
            await desk.dispatcher.send_next()
        mails = told.server.mails
    wanted: dict[str, list[str]] = {}
    for mail in mails:
        wanted.setdefault(mail.message["X-Dlc-Watcher-Job"], []).append(mail.message["Message-ID"])
    assert sorted(len(ids) for ids in wanted.values()) == [3, 4, 6], "the doubtful ones came twice"
    with threads_of(mail.raw for mail in mails) as threads:
        assert sorted(map(sorted, threads["REFERENCES"])) == sorted(map(sorted, wanted.values())), "copies and all"
    once = {mail.message["Message-ID"]: mail.raw for mail in mails}
    with threads_of(once.values()) as threads:  # where a mail system collapses copies
        for way, found in threads.items():
            assert sorted(map(sorted, found)) == sorted(sorted(set(ids)) for ids in wanted.values()), way
    subjects = {(mail.message["X-Dlc-Watcher-Job"], mail.message["Subject"]) for mail in mails}
    assert len(subjects) == 3, "phones thread by subject, so each job has one, and one of its own"
