"""Text that strangers wrote, without what looks like a secret. Whatever of a log is kept or told goes through here.

Two ways to see a secret: by the name that stands before it (`password=...`, `"token": "..."`, `--api-key ...`), and by its shape
(key ids, JWTs, bearer tokens, passwords in addresses, PEM blocks, long random text). Both err on the side of hiding: a hidden
checksum costs little. Names of jobs, pods and nodes, UUIDs and paths stay readable.

Time grows with the length of the text and not faster, whatever the text is: every repetition in a pattern is bounded, or can be
entered at one place only. Logs are written by whoever runs a job, so this is a matter of safety.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

HIDDEN: Final = "***"

_ANSI: Final = re.compile(r"\x1b(?:\[[0-9;?]{0,20}[A-Za-z]|\][^\x07\n]{0,200}\x07|[@-Z\\-_])")
_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})

_ANYWHERE: Final = r"passw(?:or)?d|passwd|passphrase|secret|credential"
"""Give a name away wherever they stand in it: SECRET_KEY_BASE, db_password2."""
_AT_THE_END: Final = (
    r"(?:pwd|token|(?:api|access|private|auth|sign|encryption|account|session|master|ssh|license|wandb|oss)?[_.-]?key"
    r"|access_?key_?id|signature|authorization|cookie|webhook|sig|auth)(?:[_.-]?(?:id|value|b64|base64|text|\d{1,3}))?(?![A-Za-z0-9_])"
)
"""Give a name away at its end only: `token`, `OPENAI_API_KEY`, but neither `num_tokens` nor `KeyError`."""
_VALUE: Final = (
    r"(?:(?:bearer|basic|token|digest)[ \t]{1,4})?"
    r"(?:\\?\"(?:[^\"\\\n]|\\.)*(?:\"|$)|\\?'(?:[^'\\\n]|\\.)*(?:'|$)|[^\s\"',;&)}\]]+)"
)
_NAMED: Final = re.compile(
    rf"(?P<name>(?:(?:{_ANYWHERE})[\w.-]{{0,48}}+|(?<![A-Za-z]){_AT_THE_END}|(?<=[a-z_]){_AT_THE_END})"
    rf"(?:\\?[\"'])?(?:\])?[ \t]{{0,8}}(?:=>|:=|==|[:=])[ \t]{{0,8}}){_VALUE}",
    re.IGNORECASE | re.MULTILINE,
)
_FLAG: Final = re.compile(
    rf"(?P<name>(?<![\w-])--?[A-Za-z][\w.-]{{0,32}}?(?:{_ANYWHERE}|(?:{_AT_THE_END}))[ \t]{{1,8}}){_VALUE}"
    rf"|(?P<plain>(?<![\w-])--?(?:{_ANYWHERE}|(?:{_AT_THE_END}))[ \t]{{1,8}}){_VALUE}",
    re.IGNORECASE | re.MULTILINE,
)
_SHAPES: Final = re.compile(
    r"(?<![A-Za-z0-9])(?:LTAI[A-Za-z0-9]{8,60}"  # Alibaba Cloud access key ids
    r"|STS\.[A-Za-z0-9]{8,100}"  # and temporary ones
    r"|(?:AKIA|ASIA|AROA|AIDA)[A-Z0-9]{12,60}"  # AWS
    r"|gh[a-z]_[A-Za-z0-9]{16,255}|github_pat_\w{16,255}|glpat-[\w-]{16,255}"
    r"|hf_[A-Za-z0-9]{16,100}|(?:sk|pk|rk)-[\w-]{16,255}|sk_(?:live|test)_\w{8,255}"
    r"|xox[a-z]-[\w-]{10,255}|xapp-[\w-]{10,255}|whsec_[A-Za-z0-9+/=]{16,255}|AIza[\w-]{30,60}|npm_[A-Za-z0-9]{30,60}|pypi-[\w-]{16,255}"
    r")"
    r"|(?<![\w-])eyJ[\w-]{5,}\.[\w.-]+"  # JWTs
    r"|(?<![A-Za-z])(?:bearer|basic)[ \t]{1,4}[\w.~+/=-]{6,}"
    r"|(?<=://)[^\s/\"']{1,1024}@"  # user and password in an address
    r"|hooks\.slack\.com/[^\s\"']+",  # a webhook's address is a password
    re.IGNORECASE,
)
_RUN: Final = re.compile(r"[A-Za-z0-9+/_=-]{20,}")
_PIECES: Final = re.compile(r"[^A-Za-z0-9]+")
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_HEX: Final = re.compile(r"[0-9a-fA-F]{32,}")
_UPPER, _LOWER, _DIGIT = re.compile(r"[A-Z]"), re.compile(r"[a-z]"), re.compile(r"[0-9]")
_TURN: Final = re.compile(r"[A-Z](?![A-Z]|\Z)|[a-z](?![a-z]|\Z)|[0-9](?![0-9]|\Z)")
"""A character whose neighbour is of another kind."""
_PEM_BEGIN: Final = re.compile(r"-----BEGIN [A-Z0-9 ]{0,60}-----")
_PEM_END: Final = re.compile(r"-----END [A-Z0-9 ]{0,60}-----")
_LONGEST_PEM: Final = 200
"""Lines that a block without an end may take along."""

_MIXED: Final = 20
"""Characters from which on text of upper and lower case and digits is taken for random; Alibaba Cloud's secrets have 30."""
_PLAIN: Final = 32
"""The same for text of lower case and digits, of which many ids are made."""
_RESTLESS: Final = 0.3
"""Share of neighbours of different kinds (upper, lower, digit): of random text about 0.6, of names about 0.15."""


def plain_text(text: str) -> str:
    """The text without colours, control characters and others that are not seen (they could split a secret); lines are kept."""
    bare = _ANSI.sub("", text) if "\x1b" in text else text
    if bare.isascii() and bare.isprintable():
        return bare
    return "".join(char for char in bare if char in "\n\t" or unicodedata.category(char) not in _UNSEEN)


def redact(text: str) -> str:
    """The text with `***` in place of every secret-like value, and without characters that are not seen."""
    told = _without_pem(plain_text(text))
    # Names before shapes: of `Bearer password="..."` the shape would take the name away, and nothing would give the value away.
    told = _NAMED.sub(_hide_value, told)
    told = _FLAG.sub(_hide_value, told)
    told = _SHAPES.sub(_hide_shape, told)
    return _RUN.sub(_hide_random, told)


def without_blocks(lines: tuple[str, ...]) -> tuple[str, ...]:
    """The lines of one log with keys and certificates that span several of them hidden, as many lines as given.

    Not redacted: whoever takes a line out of them redacts that. Taken out alone, a line of such a block has no name and no shape.
    """
    flat = "\n".join(plain_text(line).replace("\n", " ") for line in lines)
    return tuple(_without_pem(flat).split("\n")) if lines else ()


def _hide_shape(found: re.Match[str]) -> str:
    return f"{HIDDEN}@" if found[0].endswith("@") else HIDDEN


def _hide_value(found: re.Match[str]) -> str:
    named = found.groupdict()
    return (named["name"] or named.get("plain") or "") + HIDDEN


def _hide_random(found: re.Match[str]) -> str:
    run = found[0]
    if _UUID.fullmatch(run):
        return run
    if _is_mixed(run):
        return HIDDEN
    return HIDDEN if any(_is_mixed(piece) or _is_random(piece) for piece in _PIECES.split(run)) else run


def _is_mixed(run: str) -> bool:
    bare = _PIECES.sub("", run)
    kinds = (_UPPER, _LOWER, _DIGIT)
    return len(bare) >= _MIXED and all(kind.search(bare) for kind in kinds) and _restlessness(bare) >= _RESTLESS


def _is_random(piece: str) -> bool:
    if len(piece) < _PLAIN:
        return False
    return (bool(_HEX.fullmatch(piece)) and len(set(piece)) > 4) or _restlessness(piece) >= _RESTLESS  # noqa: PLR2004 - not 00000


def _restlessness(text: str) -> float:
    return len(_TURN.findall(text)) / max(1, len(text) - 1)


def _without_pem(text: str) -> str:
    if "-----BEGIN " not in text:
        return text
    told: list[str] = []
    inside = 0
    for line in text.split("\n"):
        begin = _PEM_BEGIN.search(line) if not inside else None
        if begin is not None:
            end = _PEM_END.search(line, begin.end())
            inside = 0 if end else _LONGEST_PEM
            told.append(line[: begin.start()] + HIDDEN + (line[end.end() :] if end else ""))
        elif inside:
            end = _PEM_END.search(line)
            inside = 0 if end else inside - 1
            told.append(HIDDEN + (line[end.end() :] if end else ""))
        else:
            told.append(line)
    return "\n".join(told)
