"""An IMAP server that nobody here wrote, as the judge of what is one thread: Dovecot's, run by itself on a private mailbox.

It is no dependency. Debian's package `dovecot-imapd` makes it found; so does naming its `imap` program in DLC_WATCHER_DOVECOT_IMAP.
No daemon, no port: it speaks over its standard input and output (RFC 9051's PREAUTH).
"""

from __future__ import annotations

import imaplib
import mailbox
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

VARIABLE: Final = "DLC_WATCHER_DOVECOT_IMAP"
USUAL: Final = Path("/usr/lib/dovecot/imap")
_NOBODY: Final = 65534
"""Dovecot opens no mailbox as root; a mailbox of nobody's will do then."""


def imap_program() -> Path:
    """The program, or the test is skipped; one that is named and not there is a failure."""
    if named := os.environ.get(VARIABLE):
        if not Path(named).is_file():
            pytest.fail(f"{VARIABLE} names {named!r}, which is not a file")
        return Path(named)
    if not USUAL.is_file():
        pytest.skip(f"no IMAP server: install dovecot-imapd, or name its imap program in {VARIABLE}")
    return USUAL


@contextmanager
def threads_of(mails: Iterable[bytes]) -> Iterator[dict[str, list[list[str]]]]:
    """How the server threads these mails: for each way it knows (`REFERENCES`, `REFS`), lists of Message-IDs."""
    program = imap_program()
    folder = Path(tempfile.mkdtemp(prefix="dlc-watcher-imap-"))
    try:
        box = mailbox.Maildir(str(folder / "mail"))
        for raw in mails:
            box.add(raw)
        owner = _NOBODY if os.getuid() == 0 else os.getuid()
        config = folder / "dovecot.conf"
        config.write_text(
            f"mail_location = maildir:{folder}/mail\nbase_dir = {folder}/run\nstate_dir = {folder}/run\n"
            f"log_path = {folder}/log\nssl = no\nfirst_valid_uid = 1\nmail_uid = {owner}\nmail_gid = {owner}\n"
        )
        if os.getuid() == 0:
            folder.chmod(0o755)
            for path in (folder, *folder.rglob("*")):
                shutil.chown(path, owner, owner)
        yield _ask(f"env USER=reader HOME={folder} {program} -c {config}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _ask(command: str) -> dict[str, list[list[str]]]:
    server = imaplib.IMAP4_stream(command)
    try:
        server.select("INBOX", readonly=True)
        ids = {}
        _, lines = server.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])")
        for line in lines:
            if isinstance(line, tuple):
                ids[line[0].split()[0].decode()] = line[1].decode().partition(":")[2].strip()
        found = {}
        for way in ("REFERENCES", "REFS"):
            _, (told,) = server.thread(way, "UTF-8", "ALL")
            found[way] = [[ids[number] for number in re.findall(r"\d+", thread)] for thread in _top(told.decode())]
        return found
    finally:
        server.logout()


def _top(told: str) -> list[str]:
    """The outermost brackets of `(1 2)(3 (4)(5))`, each a thread."""
    threads, depth, begun = [], 0, 0
    for place, mark in enumerate(told):
        if mark == "(":
            begun, depth = (place if depth == 0 else begun), depth + 1
        elif mark == ")":
            depth -= 1
            if depth == 0:
                threads.append(told[begun : place + 1])
    return threads
