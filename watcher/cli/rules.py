"""`rules`: what is installed, and whether rules do what their cases say."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from watcher.cli.options import JsonOption, load_configuration, print_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from watcher.core.rule import BoundRule, Rule
    from watcher.testing.cases import Case


class _ListByDefault(TyperGroup):
    """`rules` and `rules NAME` mean `rules list` and `rules list NAME`; a rule named like a command needs the long form."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put in the command that was left out."""
        if not args or (args[0] not in self.commands and args[0] not in ctx.help_option_names):
            args = ["list", *args]
        return super().parse_args(ctx, args)


rules = typer.Typer(
    cls=_ListByDefault,
    help="The rules that are installed, and what each is for: alone or with a rule's name. `rules test` runs cases.",
    rich_markup_mode=None,
)


@rules.command("list")
def list_rules(
    name: Annotated[str | None, typer.Argument(help="Show this rule's whole documentation.", metavar="RULE")] = None,
    json: JsonOption = False,
) -> None:
    """The rules that are installed, and what each is for."""
    import inspect

    from watcher.cli.terminal import print_table
    from watcher.core.events import kind_of
    from watcher.plugins import discover

    kinds = discover().rules
    wanted = sorted(kinds) if name is None else [name]
    if name is not None and name not in kinds:
        raise typer.BadParameter(f"there is no rule {name!r}; there are: {', '.join(sorted(kinds))}", param_hint="RULE")
    found: list[dict[str, Any]] = [
        {
            "name": one,
            "on": sorted(kind_of(event_type) for event_type in kinds[one].on),
            "severity": kinds[one].severity.value,
            "options": {
                option: {"default": field.get_default(call_default_factory=True), "doc": field.description or ""}
                for option, field in kinds[one].Options.model_fields.items()
            },
            "doc": inspect.getdoc(kinds[one]) or "",
        }
        for one in wanted
    ]
    if json:
        print_json(found)
    elif name is not None:
        typer.echo(f"{name}\n\n{found[0]['doc']}")
    else:
        print_table(
            ("RULE", "SEVERITY", "ON", "WHAT FOR"),
            (
                (rule["name"], rule["severity"], ", ".join(rule["on"]), rule["doc"].split("\n\n")[0].replace("\n", " "))
                for rule in found
            ),
            empty="No rules are installed.",
        )


@rules.command("test")
def try_rules(
    files: Annotated[
        list[Path],
        typer.Argument(help="Case files; the format is told in watcher/testing/cases.py.", metavar="FILE..."),
    ],
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            "-c",
            help="Cases without options of their own run against this configuration's rule of that name, where it has one.",
            metavar="FILE",
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Run YAML cases against rules. Exit code 0: all hold; 1: some do not; 2: a file is broken or names an unknown rule."""
    from watcher.cli.terminal import console, safe
    from watcher.testing.cases import differences

    configured = {} if config is None else {bound.name: bound for bound in load_configuration(config).rules}
    asked, broken = _load(files, configured)
    if broken:
        if json:
            print_json({"ok": False, "broken": broken, "cases": []})
        else:
            for mistake in broken:
                typer.echo(safe(mistake), err=True)
        raise typer.Exit(2)
    results = [(case, bound, differences(case, bound)) for case, bound in asked]
    failed = sum(1 for _, _, wrong in results if wrong)
    if json:
        shown = [
            {
                "place": case.place,
                "name": case.name,
                "rule": bound.name,
                "configured": bound is configured.get(bound.name),
                "ok": not wrong,
                "differences": wrong,
            }
            for case, bound, wrong in results
        ]
        print_json({"ok": not failed, "broken": [], "cases": shown})
    else:
        out = console()
        for case, bound, wrong in results:
            about = f"{case.name} ({bound.name}{', as configured' if bound is configured.get(bound.name) else ''})"
            out.print(safe(f"{case.place}: {'FAILED' if wrong else 'ok'}: {about}"), style="red" if wrong else "")
            for line in wrong:
                out.print(safe(f"    {line}"))
        out.print(f"{len(results)} {'case' if len(results) == 1 else 'cases'}, {failed or 'none'} failed")
    if failed:
        raise typer.Exit(1)


def _load(files: list[Path], configured: Mapping[str, BoundRule]) -> tuple[list[tuple[Case, BoundRule]], list[str]]:
    """Every case with its rule, and all mistakes as `file:line: sentence`."""
    from watcher.plugins import discover
    from watcher.testing.cases import CaseError, load_cases

    installed = discover().rules
    asked: list[tuple[Case, BoundRule]] = []
    broken: list[str] = []
    for file in files:
        try:
            cases = load_cases(file, shown=str(file))
        except CaseError as exc:
            broken.append(str(exc))
            continue
        except OSError as exc:
            broken.append(f"{file}: cannot be read: {exc.strerror or exc}")
            continue
        for case in cases:
            try:
                asked.append((case, _rule_of(case, configured, installed)))
            except CaseError as exc:
                broken.append(str(exc))
    return asked, broken


def _rule_of(case: Case, configured: Mapping[str, BoundRule], installed: Mapping[str, type[Rule]]) -> BoundRule:
    from watcher.testing.cases import CaseError, bind

    if case.rule in configured and not case.options:
        return configured[case.rule]
    if case.rule not in installed:
        known = ", ".join(sorted({*configured, *installed}))
        options = " with options of its own" if case.rule in configured else ""
        raise CaseError(f"{case.place}: {case.name}: there is no rule {case.rule!r}{options}; there are: {known}")
    return bind(case, installed[case.rule])
