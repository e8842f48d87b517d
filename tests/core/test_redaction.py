"""No secret that is planted in a text survives, and what people need to read does."""

from __future__ import annotations

import base64
import hashlib
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from watcher.core.redaction import HIDDEN, plain_text, redact, without_blocks

READABLE = [
    "Traceback (most recent call last):",
    '  File "/usr/local/lib/python3.10/site-packages/torch/nn/modules/module.py", line 1501, in _call_impl',
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 GiB. GPU 3 has a total capacity of 79.15 GiB",
    "KeyError: 'input_ids'",
    "dlc1a2b3c4d5e6f7g8-worker-12 on cn-hangzhou.10.0.0.7",
    "pod uid 6f1d6c1e-6d0b-5b7e-9a55-0d1c3a2f7d10",
    "[Rank 3] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=1284, OpType=ALLREDUCE, Timeout(ms)=600000)",
    "num_tokens=1024 tokens: 4096 max_tokens=8 tokenizer: gpt2 token_count=3",
    "WorkerProcessGroupNCCL/rank0/TensorParallelAttentionLayer12/qkv_proj.weight",
    "NVRM: Xid (PCI:0000:3b:00): 79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus.",
    "the secret of a good monkey is a banana",
    "step=3 loss=2.5 lr=1e-4 00000000000000000000000000000000",
    "oss://bucket/path/to/data/part-00001.parquet https://example.test/a/b",
]


@pytest.mark.parametrize("text", READABLE)
def test_what_people_need_stays_readable(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("password=hunter2 next", "password=*** next"),
        ('{"token": "abc def", "step": 3}', '{"token": ***, "step": 3}'),
        ("OPENAI_API_KEY=abc", "OPENAI_API_KEY=***"),
        ("--api-key  hunter2 --epochs 3", "--api-key  *** --epochs 3"),
        ("--db.password hunter2", "--db.password ***"),
        ("Authorization: Bearer abc.def", "Authorization: ***"),
        ("AccessKeySecret : 'x y z' next", "AccessKeySecret : *** next"),
        ('os.environ["SECRET_KEY"] = "foo"', 'os.environ["SECRET_KEY"] = ***'),
        (r'password: "a\"b" c', "password: *** c"),
        (r"{\"password\": \"x\"}", r"{\"password\": ***"),
        ("SECRET_KEY_BASE=abc", "SECRET_KEY_BASE=***"),
        ("?Signature=abc%2F&Expires=1", "?Signature=***&Expires=1"),
        ("https://user:p@ss@host/x", "https://***@host/x"),
        ("bearer abcdef.ghi", "***"),
        ("hooks.slack.com/services/T1/B2/xyz", "***"),
        ("token:\n next", "token:\n next"),
    ],
)
def test_a_value_is_hidden_by_the_name_before_it(text: str, wanted: str) -> None:
    assert redact(text) == wanted


def test_a_secret_that_is_split_by_colours_is_put_together_and_hidden() -> None:
    assert redact("pass\x1b[1mword\u200b=hun\x1b[0mter2") == "password=***"
    assert plain_text("a\x00b\x07\ttab\nline\u202e") == "ab\ttab\nline"


PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIabc\nshort\n-----END RSA PRIVATE KEY-----"


def test_a_key_of_several_lines_is_hidden_as_a_whole() -> None:
    lines = ("before " + PEM.split("\n", maxsplit=1)[0], *PEM.split("\n")[1:3], PEM.split("\n")[3] + " after", "last")
    assert without_blocks(lines) == ("before ***", HIDDEN, HIDDEN, "*** after", "last")
    assert redact(f"x {PEM} y".replace("\n", "\\n")) == "x *** y"
    assert without_blocks(()) == ()


def test_a_key_without_an_end_does_not_hide_a_whole_log() -> None:
    told = without_blocks(("-----BEGIN PRIVATE KEY-----", *["line"] * 250))
    assert (len(told), told[200], told[201]) == (251, HIDDEN, "line")


def _random(number: int) -> bytes:
    return hashlib.sha512(str(number).encode()).digest()


def _letters(number: int, length: int, alphabet: str) -> str:
    return "".join(alphabet[byte % len(alphabet)] for byte in _random(number))[:length]


_UPPER, _DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789"
_LOWER = _UPPER.lower()
_ALL = _UPPER + _LOWER + _DIGITS

shaped = st.integers(0, 10**9).flatmap(
    lambda n: st.sampled_from(
        [
            "LTAI" + _letters(n, 20, _ALL),
            "STS." + _letters(n, 24, _ALL),
            "AKIA" + _letters(n, 16, _UPPER + _DIGITS),
            "ghp_" + _letters(n, 36, _ALL),
            "hf_" + _letters(n, 34, _LOWER),
            "sk-" + _letters(n, 40, _ALL),
            "glpat-" + _letters(n, 20, _ALL),
            "xoxb-" + _letters(n, 30, _DIGITS + _LOWER),
            "eyJ" + _letters(n, 30, _ALL) + "." + _letters(n + 1, 40, _ALL) + "." + _letters(n + 2, 43, _ALL),
            _random(n)[:32].hex(),
            _random(n).hex().upper(),
            base64.b64encode(_random(n)[:33]).decode(),
            base64.urlsafe_b64encode(_random(n)).decode(),
            "checkpoints/of_the_run/at_step_100/" + _letters(n, 40, _ALL),
            "Bearer " + _letters(n, 12, _LOWER),
        ]
    )
)
named = st.builds(
    "{}{}{}{}{}".format,
    st.sampled_from(
        ["password", "DB_PASSWORD", "token", "HF_TOKEN", "secret", "AccessKeyId", "accessKeySecret", "api-key", "wandb_key",
         "client_secret", "X-Auth-Token", "passwd", "security-token", "PRIVATE_KEY", "key"]
    ),
    st.sampled_from(["=", ": ", " = ", "=> ", ":="]),
    st.sampled_from(['"', "'"]).map(str),
    st.just("{secret}"),
    st.just("{close}"),
)  # fmt: skip
words = st.text(st.characters(codec="utf-8", exclude_characters="\n\r"), max_size=30)
values = st.text(_ALL + "!#$%^*+-_.~/", min_size=4, max_size=40)


@settings(deadline=None, max_examples=300)
@given(before=words, secret=shaped, after=words, colour=st.booleans())
def test_no_secret_with_a_known_shape_survives(before: str, secret: str, after: str, colour: bool) -> None:
    text = f"{before} \x1b[31m{secret}\x1b[0m {after}" if colour else f"{before} {secret} {after}"
    told = redact(text)
    assert secret not in told
    assert secret.removeprefix("Bearer ").removeprefix("checkpoints/of_the_run/at_step_100/")[4:] not in told


@example(before="BEARER", form='password="{secret}{close}', secret="0000", after="")
@settings(deadline=None, max_examples=300)
@given(before=words, form=named, secret=values, after=words)
def test_no_value_with_a_telling_name_survives(before: str, form: str, secret: str, after: str) -> None:
    secret = f"zq{secret}qz"
    quote = '"' if '"' in form else "'"
    for spelt in (form.format(secret=secret, close=quote), form.replace(quote, "").format(secret=secret, close="")):
        assert secret not in redact(f"{before} {spelt} {after}")


@settings(deadline=None)
@given(words)
def test_redacting_twice_changes_nothing(text: str) -> None:
    once = redact(text)
    assert redact(once).replace(HIDDEN, "") == once.replace(HIDDEN, "")


HOSTILE = [
    "a", "password", "password ", 'token="', "://", "eyJ", "eyJaaaaa.", "-", "--a", "key:", "-----BEGIN ", "-----BEGIN A-----\n",
    "\x1b[", "bearer ", "token ", "=", " ", "x://a", "-a-", "sk-", "_key", "api_key-", "secret.-", "Ab1",
]  # fmt: skip


@pytest.mark.parametrize("piece", HOSTILE)
def test_time_grows_with_the_length_and_no_faster(piece: str) -> None:
    def seconds(length: int) -> float:
        text = piece * (length // len(piece))
        began = time.perf_counter()
        redact(text)
        return time.perf_counter() - began

    seconds(1_000)
    assert seconds(1_000_000) < 30, "what grows with the square takes an hour"
