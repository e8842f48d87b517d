"""Where templates run: a Jinja2 environment that changes nothing, knows no undefined name, and reads no file.

Apart from `watcher.templates`, so that only who has templates loads Jinja2.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from jinja2 import BaseLoader, Environment, StrictUndefined, TemplateNotFound
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment

_MOST_REPEATED: Final = 100_000


class Sandbox(ImmutableSandboxedEnvironment):
    """Nothing can be changed, and no text is repeated to beyond all bounds before it is measured."""

    intercepted_binops = frozenset({"*", "**"})

    def __init__(self, sources: Mapping[str, tuple[str, str]], *, html: bool) -> None:
        super().__init__(
            loader=_Loader(sources),
            autoescape=html,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Multiply what is small."""
        for text, number in ((left, right), (right, left)):
            if isinstance(text, str | list | tuple) and isinstance(number, int) and len(text) * number > _MOST_REPEATED:
                raise SecurityError(f"more than {_MOST_REPEATED} characters by repetition")
        if operator == "**" and isinstance(right, int) and right > 64:  # noqa: PLR2004 - enough for any sum, too little to stall
            raise SecurityError("a power beyond all use")
        return super().call_binop(context, operator, left, right)


class _Loader(BaseLoader):
    """The files as they were read."""

    def __init__(self, sources: Mapping[str, tuple[str, str]]) -> None:
        self.sources = sources

    def get_source(self, environment: Environment, template: str) -> tuple[str, str | None, Any]:  # noqa: ARG002 - Jinja's signature
        if template not in self.sources:
            raise TemplateNotFound(template)
        source, file = self.sources[template]
        return source, file, lambda: True
