"""The configuration as a JSON Schema (2020-12), with the settings of every installed kind in it, for editors and other tools.

The schema describes what is written before `${NAME}` is put in, so a variable is accepted only where a text is. What hangs on other
places (names of receivers, conditions, missing files) only `dlc-watcher check` can tell.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from inspect import cleandoc
from typing import Any, Final, TypeAlias, get_args

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue, models_json_schema
from pydantic_core import core_schema

from watcher.config.model import NAME_PATTERN, ONE_OR_SEVERAL, DeclareRule, IncludeRules, Outline, UseRule
from watcher.core.declared import LISTENABLE
from watcher.core.passage import STATES
from watcher.kinds import Kinds, PluginFault
from watcher.settings import OneOrMany, ReceiverSettings

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

_Key: TypeAlias = tuple[type[BaseModel], JsonSchemaMode]
_ONE_OR_MANY: Final = get_args(OneOrMany)[1].func


class _Generator(GenerateJsonSchema):
    """pydantic describes what a validator makes; for `OneOrMany` an editor needs what it takes: a text, or a list of texts."""

    def function_before_schema(self, schema: core_schema.BeforeValidatorFunctionSchema) -> JsonSchemaValue:
        made = super().function_before_schema(schema)
        if schema["function"]["function"] is _ONE_OR_MANY:
            return {"anyOf": [{"type": "string"}, made]}
        if schema["function"]["function"] is ONE_OR_SEVERAL.func:
            return {"anyOf": [made["items"], made]}
        return made


def json_schema(kinds: Kinds) -> dict[str, Any]:
    """The schema of a whole configuration. Kinds that are installed but broken are left out."""
    sources, notifiers = _models(kinds.sources, "Settings"), _models(kinds.notifiers, "Settings")
    options = _models(kinds.rules, "Options")
    parts: list[type[BaseModel]] = [
        Outline,
        UseRule,
        DeclareRule,
        IncludeRules,
        ReceiverSettings,
        *sources.values(),
        *notifiers.values(),
        *options.values(),
    ]
    keys: list[_Key] = [(model, "validation") for model in dict.fromkeys(parts)]
    refs, defined = models_json_schema(keys, by_alias=True, schema_generator=_Generator)
    definitions: dict[str, Any] = dict(defined["$defs"])

    def ref(model: type[BaseModel]) -> dict[str, Any]:
        return dict(refs[model, "validation"])

    def taken_out(model: type[BaseModel]) -> dict[str, Any]:
        return dict(definitions.pop(ref(model)["$ref"].rpartition("/")[2]))

    uses, declares, includes = taken_out(UseRule), taken_out(DeclareRule), taken_out(IncludeRules)
    root, common = taken_out(Outline), taken_out(ReceiverSettings)["properties"]
    kind, state = {"enum": sorted(LISTENABLE)}, {"enum": sorted(STATES)}
    states = {"anyOf": [state, {"type": "array", "items": state}]}
    rules = [
        _with(uses, _about(kinds.rules[word]), use={"const": word}, **{"with": ref(model)})
        for word, model in options.items()
    ]
    on = {"anyOf": [kind, {"type": "array", "items": kind, "minItems": 1}]}
    described: dict[str, Any] = {
        key: states | {"description": declares["properties"][key]["description"]} for key in ("from", "to")
    }
    rules.append(_with(declares, "", on=on, **described))
    rules.append(_with(includes, include={"enum": sorted(kinds.rule_files)}))
    root["properties"] |= {
        "sources": _named(
            root["properties"]["sources"], [_source(word, ref(model)) for word, model in sources.items()]
        ),
        "receivers": _named(
            root["properties"]["receivers"],
            [_receiver(word, ref(model), model, common) for word, model in notifiers.items()],
        ),
        "rules": _without_default(root["properties"]["rules"]) | {"items": {"anyOf": rules}},
    }
    return {
        "$schema": DIALECT,
        **root,
        "title": "dlc-watcher configuration",
        "$defs": dict(sorted(definitions.items())),
    }


def _models(installed: Mapping[str, type[Any]], member: str) -> dict[str, type[BaseModel]]:
    models: dict[str, type[BaseModel]] = {}
    for word in sorted(installed):
        with suppress(PluginFault):
            models[word] = getattr(installed[word], member)
    return models


def _without_default(schema: dict[str, Any]) -> dict[str, Any]:
    """Left out means the packaged rules, which is not the empty list that the model has for a default."""
    return {key: value for key, value in schema.items() if key != "default"}


def _about(kind: type[Any]) -> str:
    return cleandoc(kind.__doc__ or "").partition("\n")[0]


def _with(schema: dict[str, Any], description: str = "", **properties: Any) -> dict[str, Any]:
    described = {"description": description} if description else {}
    return schema | described | {"properties": schema["properties"] | properties}


def _named(outer: dict[str, Any], members: list[dict[str, Any]]) -> dict[str, Any]:
    outer.pop("patternProperties", None)
    return outer | {"propertyNames": {"pattern": NAME_PATTERN}, "additionalProperties": {"anyOf": members}}


def _source(word: str, settings: dict[str, Any]) -> dict[str, Any]:
    return settings | {"properties": {"kind": {"const": word}}, "required": ["kind"]}


def _receiver(word: str, settings: dict[str, Any], model: type[BaseModel], common: dict[str, Any]) -> dict[str, Any]:
    # `console:` with nothing behind it is good when there is nothing that must be said.
    optional = not any(info.is_required() for info in model.model_fields.values())
    value = {"anyOf": [settings, {"type": "null"}]} if optional else settings
    properties = {word: value, **common}
    return {"type": "object", "properties": properties, "required": [word], "additionalProperties": False}
