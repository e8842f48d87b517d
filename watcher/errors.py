"""The one error tree of dlc-watcher.

```
WatcherError
├── ConfigurationError      the user's configuration; carries every Problem found, each with file, line and column
├── PluginFault             an installed plug-in cannot be used (in watcher.kinds, beside what it is about)
├── SourceError             asking DLC failed; `permanent` and `retry_after` say what to do
│   ├── Throttled               slow the whole account down
│   ├── AuthRefused             key id, secret or token is wrong              permanent
│   ├── ClockSkewed             our clock is off by `offset`                  permanent
│   ├── Forbidden               the right is missing; the server's own words  permanent
│   ├── CredentialsUnavailable  no key could be had at all                    permanent unless said otherwise
│   ├── JobNotFound             this job id is not known there (confirm before believing)
│   ├── InvalidRequest          DLC does not accept the request               permanent
│   ├── ServerFault             5xx
│   ├── Unreachable             DNS, connect, TLS, time-out, reset
│   └── GarbledAnswer           answered, but not with what was asked for
├── NothingToTakeOn         nothing about it is open, or somebody took it on before
├── StoreError
│   ├── StaleObservation        somebody else committed first; drop the values and look again
│   ├── SchemaRefused           the database is newer, or not ours
│   ├── StoreCorrupt            the database file is damaged; it is never overwritten
│   └── StoreUnavailable        busy, full or unreachable; try again
├── PressRefused            a button was pressed, as somebody says; the far side does not vouch for it
└── NotifierError           sending failed; `permanent`, `ambiguous`, `retry_after` and `fix` say what to do
    └── CardLost                a living card cannot be changed any more; a new one takes its place   permanent
```

A foreign exception is translated once, at its adapter, with `raise ... from`. Facts are attributes; the sentence is made from
them. No message carries a secret: adapters build them from codes and addresses, never from headers or bodies.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta


class WatcherError(Exception):
    """Root of everything this program raises on purpose."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in a configuration, with its place.

    Attributes:
        message: what is wrong, one sentence, naming the offending text and what is allowed.
        file: the file as the user named it.
        line: 1-based line, or None when the problem is about the file as a whole.
        column: 1-based column, or None.
        path: dotted path of the setting, for example `rules.2.when`.
    """

    message: str
    file: str
    line: int | None = None
    column: int | None = None
    path: str = ""

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)
        return f"{place}: {self.path + ': ' if self.path else ''}{self.message}"


class ConfigurationError(WatcherError):
    """The configuration cannot be used. `problems` is never empty and holds all that was found, in file order."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class SourceError(WatcherError):
    """A question to DLC was not answered.

    Attributes:
        permanent: asking again without a person's help is pointless.
        retry_after: the server's own wish for how long to wait, or None.
        code: the server's `Code`, or "".
        request_id: the server's id of the request, for a support ticket, or "".
        fix: what a person can do about it, or "".
    """

    permanent: bool = False

    def __init__(
        self,
        message: str,
        *,
        retry_after: timedelta | None = None,
        code: str = "",
        request_id: str = "",
        fix: str = "",
        permanent: bool | None = None,
    ) -> None:
        self.message, self.retry_after, self.code = message, retry_after, code
        self.request_id, self.fix = request_id, fix
        if permanent is not None:
            self.permanent = permanent
        super().__init__(message)

    def __str__(self) -> str:
        told = self.message
        if self.code and self.code not in told:
            told += f" [{self.code}]"
        if self.request_id:
            told += f" (request {self.request_id})"
        return f"{told}. {self.fix}" if self.fix else told


class Throttled(SourceError):
    """The account asks too often. Slow down everything under this account and region, not one job."""


class AuthRefused(SourceError):
    """The key id, the secret or the security token was not accepted."""

    permanent = True


class ClockSkewed(SourceError):
    """The signature's date is outside the server's window (15 minutes).

    Attributes:
        offset: server clock minus our clock, measured from the answer's Date header; None when it had none.
    """

    permanent = True

    def __init__(self, message: str, *, offset: timedelta | None, code: str = "", request_id: str = "") -> None:
        self.offset = offset
        fix = "Set this machine's clock (NTP)"
        if offset is not None:
            side = "behind" if offset > timedelta(0) else "ahead of"
            fix += f": it is {abs(offset.total_seconds()):.0f} s {side} the server's"
        super().__init__(message, code=code, request_id=request_id, fix=fix)


class Forbidden(SourceError):
    """The credentials are good but lack the right. The message carries the server's own text."""

    permanent = True


class CredentialsUnavailable(SourceError):
    """No credentials could be had: a file is missing, the metadata service does not answer, the chain came up empty."""

    permanent = True


class JobNotFound(SourceError):
    """DLC does not know this job id. One such answer is a hint, not a fact."""


class InvalidRequest(SourceError):
    """DLC does not accept the request as we made it."""

    permanent = True


class ServerFault(SourceError):
    """DLC failed on its side (5xx)."""


class Unreachable(SourceError):
    """No answer: DNS, connect, TLS, time-out or reset."""


class GarbledAnswer(SourceError):
    """An answer came, but it is not what was asked for: not JSON, wrong types, too large, cut short, a redirect."""


class NothingToTakeOn(WatcherError):
    """Nothing about it is open, or somebody took it on before."""


class StoreError(WatcherError):
    """The store could not do what it was asked."""


class StaleObservation(StoreError):
    """The job was committed by somebody else since it was read: these values are dropped, look again."""


class SchemaRefused(StoreError):
    """The database was made by a newer dlc-watcher, or by another program."""


class StoreCorrupt(StoreError):
    """The database file is damaged. It is left as it is."""


class StoreUnavailable(StoreError):
    """The database is busy, full or cannot be reached. Nothing was written."""


class PressRefused(WatcherError):
    """Somebody says that a button was pressed, and the far side does not vouch for it, or says it in no known form."""


class NotifierError(WatcherError):
    """A message did not arrive, or nobody knows whether it did.

    Attributes:
        permanent: sending the same again cannot work; dead-letter it now.
        ambiguous: the far side may have taken it (connection lost after the body was written).
        retry_after: the far side's own wish, or None.
        code: the far side's word for it, for example `channel_not_found` or `550`.
        fix: what a person can do about it.
        pauses_receiver: nothing at all can be sent there for now (429, wrong password), not only this message.
        disables_receiver: nothing will ever arrive there again (410): only a person can change that.
        most_attempts: after so many attempts it is not worth another one; None for no other limit than time.
    """

    def __init__(
        self,
        message: str,
        *,
        permanent: bool = False,
        ambiguous: bool = False,
        retry_after: timedelta | None = None,
        code: str = "",
        fix: str = "",
        pauses_receiver: bool = False,
        disables_receiver: bool = False,
        most_attempts: int | None = None,
    ) -> None:
        self.disables_receiver, self.most_attempts = disables_receiver, most_attempts
        self.message, self.permanent, self.ambiguous = message, permanent, ambiguous
        self.retry_after, self.code, self.fix, self.pauses_receiver = retry_after, code, fix, pauses_receiver
        super().__init__(message)

    def __str__(self) -> str:
        return f"{self.message}. {self.fix}" if self.fix else self.message


class CardLost(NotifierError):
    """A job's living card cannot be changed any more where it stands.

    Attributes:
        loss: why, one of the words of `core.living.CardLoss`.
    """

    def __init__(self, message: str, *, loss: str, code: str = "", fix: str = "") -> None:
        self.loss = loss
        super().__init__(message, permanent=True, code=code, fix=fix)
