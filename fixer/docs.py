"""The documentation that is made from the code: `python -m fixer.docs` writes it, `--check` says what is stale.

One page per rule (its docstring, its options, and the diff of one of its fixtures, so that the example is a passing
test), the table of rules in README.md, the commands as their `--help` says them, and the schema of the configuration.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from difflib import unified_diff
from pathlib import Path

import click

from fixer.config import from_table, schema_text
from fixer.engine import check
from fixer.languages.toml import toml_value
from fixer.model import Fix, Rule, Tier
from fixer.registry import all_rules
from fixer.repository import Repository
from fixer.show.diff import lines_of
from fixer.show.output import put

ROOT = Path(__file__).parent.parent
START = "<!-- rules: made by `make docs` -->"
END = "<!-- /rules -->"
CONFIG = "fhfix.toml"
"""Beside a fixture's `before`: what its repository configures."""


def generated(root: Path, rules: Iterable[Rule]) -> Iterator[tuple[str, str]]:
    """Paths below `root`, and what must stand there."""
    known = tuple(rules)
    tiers = {rule.id: tiers_of(root, rule) for rule in known}
    for rule in known:
        yield f"docs/rules/{rule.id}.md", rule_page(rule, tiers[rule.id], example_of(root, rule))
    readme = (root / "README.md").read_text(encoding="utf-8")
    before, _, rest = readme.partition(START)
    _, _, after = rest.partition(END)
    if rest and after:
        yield "README.md", f"{before}{START}\n{rules_table(known, tiers)}{END}{after}"
    yield "docs/commands.md", commands_page()
    yield "docs/schema/config.json", schema_text(known)


def stale(root: Path, rules: Iterable[Rule]) -> dict[str, str | None]:
    """What would have to be written, by path; None for a page of a rule that is no more."""
    wanted = dict(generated(root, rules))
    found: dict[str, str | None] = {
        path: text for path, text in wanted.items() if not (root / path).exists() or _read(root / path) != text
    }
    for page in sorted((root / "docs/rules").glob("*.md")):
        path = page.relative_to(root).as_posix()
        if path not in wanted:
            found[path] = None
    return found


# -- rules --------------------------------------------------------------------------------------------------------


def rule_page(rule: Rule, tiers: Iterable[str], example: str) -> str:
    return f"{explanation(rule, tiers)}\n{example}" if example else explanation(rule, tiers)


def explanation(rule: Rule, tiers: Iterable[str] = ()) -> str:
    """What `fhfix explain` prints: Markdown, with a newline at its end."""
    facts = [f"pack `{rule.pack}`"]
    if rule.audit:
        facts.append("audit " + ", ".join(rule.audit))
    facts += [f"level {rule.level}", f"profile {rule.profile}", *["about security"] * rule.security]
    if named := ", ".join(tiers):
        facts.append(f"fixes: {named}")
    lines = [f"# {rule.id}", "", rule.explanation or rule.summary, "", "## Selecting and ignoring", ""]
    lines += [f"In {'; '.join(facts)}. `# fhfix: ignore[{rule.id}]` on the line or above it silences it there.", ""]
    if rule.options:
        lines += ["## Configuration", "", "| option | default | meaning |", "| --- | --- | --- |"]
        for option in rule.options:
            default = "" if option.default is None else f"`{toml_value(option.default)}`"
            choices = f" One of: {', '.join(f'`{choice}`' for choice in option.choices)}." if option.choices else ""
            help_text = option.help[:1].upper() + option.help[1:].rstrip(".") + "."
            cells = (f"`rules.{rule.id}.{option.name}`", default, help_text + choices)
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        lines.append("")
    return "\n".join(lines)


def rules_table(rules: Iterable[Rule], tiers: Mapping[str, Iterable[str]]) -> str:
    lines = ["", "| rule | audit | finds | fixes |", "| --- | --- | --- | --- |"]
    for rule in sorted(rules, key=lambda rule: (rule.pack, rule.id)):
        summary = (rule.summary[:1].upper() + rule.summary[1:]).rstrip(".").replace("|", "\\|")
        link = f"[{rule.id}](docs/rules/{rule.id}.md)"
        lines.append(f"| {link} | {', '.join(rule.audit)} | {summary} | {', '.join(tiers[rule.id])} |")
    return "\n".join([*lines, "", ""])


# -- fixtures as examples -----------------------------------------------------------------------------------------


def tiers_of(root: Path, rule: Rule) -> list[str]:
    """The tiers of the fixes that the rule finds in its fixtures."""
    found: set[str] = set()
    for case in _changing_cases(root, rule):
        if len(found) == len(Tier):
            break
        config = case / CONFIG
        options = from_table(tomllib.loads(_read(config)) if config.exists() else {}, [rule]).options_for(rule)
        report = check(Repository(case / "before"), [rule], options=lambda _, given=options: given)  # type: ignore[misc]
        found |= {str(r.finding.cure.tier) for r in report.findings if isinstance(r.finding.cure, Fix)}
    return sorted(found, reverse=True)


def example_of(root: Path, rule: Rule) -> str:
    """The shortest diff among the rule's fixtures, rather one that needs no configuration."""
    diffs = [(_case_diff(case), case) for case in _changing_cases(root, rule)]
    if not diffs:
        return ""
    diff, case = min(diffs, key=lambda pair: ((pair[1] / CONFIG).exists(), pair[0].count("\n"), pair[1].name))
    said = f"## Example\n\nFrom `{case.relative_to(root).as_posix()}`, where a test applies it.\n\n"
    config = case / CONFIG
    if config.exists():
        said += f"With this configuration:\n\n```toml\n{_read(config).strip()}\n```\n\n"
    fence = "`" * (max([2, *map(len, re.findall("`+", diff))]) + 1)
    return f"{said}{fence}diff\n{diff}{fence}\n"


def _changing_cases(root: Path, rule: Rule) -> list[Path]:
    return sorted(after.parent for after in (root / "fixtures" / rule.id).glob("*/after"))


def _case_diff(case: Path) -> str:
    lines: list[str] = []
    for after in sorted((case / "after").rglob("*")):
        if not after.is_file():
            continue
        path = after.relative_to(case / "after").as_posix()
        before = case / "before" / path
        old = _read(before) if before.exists() else ""
        names = (f"a/{path}" if before.exists() else "/dev/null", f"b/{path}")
        for line in unified_diff(lines_of(old), lines_of(_read(after)), *names, n=3):
            lines.append(line.rstrip("\r\n"))
            if line[:1] in "+- " and not line.endswith("\n"):
                lines.append("\\ No newline at end of file")
    return "".join(f"{line}\n" for line in lines)


# -- commands -----------------------------------------------------------------------------------------------------


def commands_page() -> str:
    """Every command's help, at a width that fits a page."""
    from fixer.cli import main

    parts = [
        "# Commands",
        "",
        "What `--help` says; made from the code.",
        "",
        _help(main, "fhfix"),
    ]
    with click.Context(main, info_name="fhfix", **main.context_settings) as context:
        for name in main.list_commands(context):
            command = main.get_command(context, name)
            if command is not None:
                parts += ["", f"## fhfix {name}", "", _help(command, f"fhfix {name}", context)]
                if isinstance(command, click.Group):
                    inner = click.Context(command, parent=context, info_name=name)
                    for sub in command.list_commands(inner):
                        found = command.get_command(inner, sub)
                        if found is not None:
                            parts += ["", f"### fhfix {name} {sub}", "", _help(found, sub, inner)]
    return "\n".join(parts) + "\n"


def _help(command: click.Command, name: str, parent: click.Context | None = None) -> str:
    own = name.rpartition(" ")[2] if parent else name
    width = {"terminal_width": 100, "max_content_width": 100}
    context = click.Context(command, parent=parent, info_name=own, **{**command.context_settings, **width})
    text = "\n".join(line.rstrip() for line in command.get_help(context).splitlines())
    return f"```text\n{text}\n```"


# -- files --------------------------------------------------------------------------------------------------------


def _read(path: Path) -> str:
    return path.read_bytes().decode("utf-8-sig")


def _main(arguments: list[str]) -> int:
    old = stale(ROOT, all_rules())
    for path, text in old.items():
        if "--check" in arguments:
            put(f"stale: {path}\n")
        elif text is None:
            (ROOT / path).unlink()
            put(f"removed {path}\n")
        else:
            (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
            (ROOT / path).write_text(text, encoding="utf-8", newline="\n")
            put(f"wrote {path}\n")
    return 1 if old and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
