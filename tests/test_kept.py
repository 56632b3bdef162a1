"""What a start keeps for those that follow: the same patterns and tables, nothing of a repository, and never needed."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixer import kept
from fixer.model import _asks
from fixer.registry import all_rules
from tests.sources import ROOT

LIKE_FHFIX = """
import re, sys
from fixer import kept
kept.use()
{code}
kept.keep()
"""


def run(code: str, cache: Path) -> str:
    """A process of its own, whose compiled modules stand in this folder."""
    surroundings = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [sys.executable, "-c", LIKE_FHFIX.format(code=code)],
        env={**surroundings, "PYTHONPYCACHEPREFIX": str(cache), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def files(cache: Path) -> list[Path]:
    return list(cache.rglob("*.kept*"))


MADE = "from fixer.documents import kind_of; print(len(kept._made), kind_of('.github/workflows/ci.yml'))"


def test_a_second_start_makes_no_pattern_of_a_module(tmp_path: Path) -> None:
    assert int(run(MADE, tmp_path).split()[0]) > 0
    assert len(files(tmp_path)) == 1
    assert run(MADE, tmp_path) == "0 github.workflow.Workflow\n"


def test_what_is_kept_matches_as_what_is_made(tmp_path: Path) -> None:
    code = r"""
def found():
    one = re.compile(r"(?P<a>x+)(y)?(?P<b>[^\Wz]|\u1e9e)", re.I)
    two = re.compile(rb"(?m)^a(\d+)$")
    print(one.flags, one.groups, dict(one.groupindex), one.pattern)
    print(one.match("XXSS"), one.match("xY\u00df").groupdict())
    print(two.flags, two.groups, two.pattern, two.findall(b"a1\na22\nb3"))
    print(re.sub(r"(?i)(b)|\bc", r"<\1>", "aBcb c"), len(kept._made))
found()
"""
    made, again = run(code, tmp_path), run(code, tmp_path)
    assert made.endswith(" 3\n")
    assert again.endswith(" 0\n")
    assert made[:-3] == again[:-3]


def test_a_second_page_makes_no_template_and_no_pattern_of_a_language(tmp_path: Path) -> None:
    code = """
from fixer.show.colours import colours
from fixer.show.page import part
shown = part("result.html", files=[])
coloured = [colours(name, "name: 1 # why") for name in ("ci.yml", "settings.py", "Dockerfile", "start.sh")]
print(len(kept._made), coloured, shown)
"""
    made, again = run(code, tmp_path), run(code, tmp_path)
    assert again.startswith("0 ")
    assert not made.startswith("0 ")
    assert made.partition(" ")[2] == again.partition(" ")[2]


def test_nothing_of_a_repository_is_kept(tmp_path: Path) -> None:
    run("name = 'sec' + str(7) + 'ret'\nre.compile(name); re.search(r'plain', name)", tmp_path)
    [file] = files(tmp_path)
    assert b"plain" in file.read_bytes()
    assert b"sec7ret" not in file.read_bytes()


@pytest.mark.parametrize("damage", [b"", b"\0", b"[\1\0\0\0N", b"not marshalled at all"])
def test_a_damaged_file_counts_as_none(damage: bytes, tmp_path: Path) -> None:
    expected = run(MADE, tmp_path)
    [file] = files(tmp_path)
    file.write_bytes(damage)
    assert run(MADE, tmp_path) == expected
    assert run(MADE, tmp_path).startswith("0 ")


def test_a_folder_that_cannot_be_written_is_no_fault(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert run(MADE, tmp_path / "file").endswith(" github.workflow.Workflow\n")


def test_a_second_start_compiles_no_method_of_a_record(tmp_path: Path) -> None:
    code = (
        "from fixer.model import Span; print(Span(1, 2)); print(any('def __init__' in str(key) for key in kept._made))"
    )
    assert run(code, tmp_path) == "Span(start=1, end=2)\nTrue\n"
    assert run(code, tmp_path) == "Span(start=1, end=2)\nFalse\n"


def test_a_table_is_what_its_file_says(tmp_path: Path) -> None:
    code = (
        "print(kept.table(kept.__file__.replace('kept.py', 'deploy/ways.py'), 'ways.toml'), 'tomllib' in sys.modules)"
    )
    data = tomllib.loads((ROOT / "fixer/deploy/ways.toml").read_text(encoding="utf-8"))
    assert run(code, tmp_path) == f"{data} True\n"
    assert run(code, tmp_path) == f"{data} False\n"
    assert kept.table(str(ROOT / "fixer/deploy/ways.py"), "ways.toml") == data


def test_a_table_that_is_changed_is_read_again(tmp_path: Path) -> None:
    module, file = tmp_path / "own.py", tmp_path / "own.toml"
    code = f"print(kept.table({str(module)!r}, 'own.toml'))"
    file.write_text("a = 1\n")
    assert run(code, tmp_path) == "{'a': 1}\n"
    file.write_text("a = 22\n")
    assert run(code, tmp_path) == "{'a': 22}\n"


def test_nothing_is_written_where_compiled_modules_are_not(tmp_path: Path) -> None:
    run("sys.dont_write_bytecode = True\nre.compile(r'plain')", tmp_path)
    assert files(tmp_path) == []


ASKED = """
from fixer.registry import all_rules
rules = all_rules()
print("transforms.ci.silent_type_check" in sys.modules)
said = [(a.name, a.module, a.called, a.optional, a.is_fact, a.is_options) for rule in rules for a in rule.asks]
print([(rule.id, rule.pack) for rule in rules], said)
kinds = [(a.kind, rule) for rule in rules for a in rule.asks]
print([(kind.__qualname__, rule.check.__module__, rule.level, rule.explanation[:20]) for kind, rule in kinds])
"""


def test_a_second_start_knows_what_rules_ask_for_and_imports_none(tmp_path: Path) -> None:
    """What it knows is what the rules say."""
    first, second = run(ASKED, tmp_path).splitlines(), run(ASKED, tmp_path).splitlines()
    assert (first[0], second[0]) == ("True", "False")
    assert first[1:] == second[1:]
    assert first[1:] == [*_said()]


def _said() -> Iterator[str]:
    rules = all_rules()
    asked = [(rule, a) for rule in rules for a in _asks(rule.check)]
    said = [(a.name, a.module, a.called, a.optional, a.is_fact, a.is_options) for _, a in asked]
    yield f"{[(rule.id, rule.pack) for rule in rules]} {said}"
    yield str([(a.kind.__qualname__, rule.module, rule.level, rule.explanation[:20]) for rule, a in asked])


def test_a_rule_whose_module_changes_is_asked_anew(tmp_path: Path) -> None:
    module = tmp_path / "own.py"
    module.touch()
    tell = f"kept.tell('own', ['a', 1], [{str(module)!r}])"
    told = "print(kept.told('own'))"
    assert run(f"{told}; {tell}", tmp_path) == "None\n"
    assert run(told, tmp_path) == "['a', 1]\n"
    module.write_text("changed")
    assert run(told, tmp_path) == "None\n"
    module.unlink()
    assert run(told, tmp_path) == "None\n"


def test_a_repository_with_a_dockerfile_alone_needs_no_rule_of_other_files(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    code = f"""
from pathlib import Path
from fixer.session import open_session
report = open_session(Path({str(tmp_path)!r})).check()
print(sorted(name for name in sys.modules if name.startswith("transforms.") and name.count(".") == 2))
"""
    run(code, tmp_path / "cache")
    imported = run(code, tmp_path / "cache")
    assert "transforms.docker.root_user" in imported
    assert "transforms.ci" not in imported
    assert "transforms.django" not in imported
