"""Validating a part of a document, with every finding put into words and led back to its place in the file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from watcher.config.document import Document, Place
from watcher.config.wording import listed, nearest, sentence
from watcher.errors import Problem

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Findings:
    """A document under examination, and everything found wrong with it so far.

    Attributes:
        base_dir: where relative secret files are looked for.
        secrets: whether secret files are looked into; False for who only wants to see how things would look.
    """

    document: Document
    base_dir: Path
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    secrets: bool = True

    def add(self, message: str, place: Place, position: tuple[int, int] | None = None) -> None:
        """Note a problem; one that follows from a fault of the YAML at the same spot is left out."""
        problem = self.document.problem(message, place, position)
        broken = {(known.line, known.column) for known in self.document.problems}
        if (problem.line, problem.column) not in broken:
            self.problems.append(problem)

    def add_at_key(self, message: str, place: Place) -> None:
        """Note a problem at the key of what stands there."""
        self.add(message, place, self.document.key_position(place))

    def validate(self, model: type[Model], data: object, place: Place) -> Model | None:
        """The part of the document at this place as a model, or None when something was wrong with it."""
        try:
            return model.model_validate(data, context={"base_dir": self.base_dir, "secrets": self.secrets})
        except ValidationError as exc:
            seen: set[Place] = set()
            for error in exc.errors(include_url=False):
                spot = self._locate(place, error)
                # A union reports once for each of its members; the first says enough.
                if spot in seen and len(spot) < len(place) + len(error["loc"]) and error["type"] != "missing":
                    continue
                seen.add(spot)
                self._tell(error, spot, model)
            return None

    def _locate(self, place: Place, error: ErrorDetails) -> Place:
        """The document's place for pydantic's: steps that are not in the document (union members, validators) are left out."""
        loc = error["loc"][:-1] if error["type"] == "missing" else error["loc"]
        for step in loc:
            if self.document.has((*place, step)):
                place = (*place, step)
        return place

    def _tell(self, error: ErrorDetails, spot: Place, model: type[BaseModel]) -> None:
        kind, loc = error["type"], error["loc"]
        if kind == "missing":
            self.add_at_key(f'the key "{loc[-1]}" is missing', spot)
        elif kind == "extra_forbidden":
            allowed = keys_at(model, loc[:-1])
            key = str(loc[-1])
            self.add_at_key(f'unknown key "{key}"{nearest(key, allowed) or ";"} allowed are: {listed(allowed)}', spot)
        else:
            value = self.document.value(spot)
            told = sentence(kind, error.get("ctx", {}), value)
            if isinstance(value, dict) or loc[-1:] == ("[key]",):
                self.add_at_key(told, spot)
            else:
                self.add(told, spot)


def key_of(name: str, alias: str | None) -> str:
    """How a field is written in the file."""
    return alias or name


def keys_at(model: type[BaseModel], loc: tuple[int | str, ...]) -> frozenset[str]:
    """The keys that may stand at pydantic's place `loc` below a model."""
    models = _below((model,), loc)
    return frozenset(key_of(name, info.alias) for found in models for name, info in found.model_fields.items())


def _below(models: tuple[type[BaseModel], ...], loc: tuple[int | str, ...]) -> tuple[type[BaseModel], ...]:
    for step in loc:
        annotations = [
            info.annotation
            for model in models
            for name, info in model.model_fields.items()
            if step in (name, info.alias)
        ]
        if annotations:
            models = tuple(found for annotation in annotations for found in _models_in(annotation))
        else:  # an index, or the tag of a union's member
            tagged = tuple(model for model in models if step in _tags(model))
            models = tagged or models
    return models


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) is Annotated:
        yield from _models_in(get_args(annotation)[0])
    else:
        for member in get_args(annotation):
            yield from _models_in(member)


def _tags(model: type[BaseModel]) -> set[object]:
    """What a union calls this member: its class name, or the words of its literal fields."""
    words: set[object] = {model.__name__}
    for info in model.model_fields.values():
        words |= {word for word in get_args(info.annotation) if isinstance(word, str)}
    return words


def as_mapping(value: object) -> Mapping[str, Any]:
    """The value if it is a mapping, else an empty one: what is no mapping has been told already."""
    return value if isinstance(value, dict) else {}
