"""Rules are found where they stand: a module of a pack, or a folder with its scripts beside it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import transforms
from fixer.model import Rule
from fixer.registry import all_rules
from fixer.scripts import script

RULE = '''"""{text}"""
from fixer.model import Rule

def check(fact):
    return ()

RULE = Rule({name}, "{text}", check)
'''


@pytest.fixture
def pack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A pack `toys` beside the real ones, forgotten again afterwards."""
    folder = tmp_path / "toys"
    folder.mkdir()
    (folder / "__init__.py").touch()
    monkeypatch.setattr(transforms, "__path__", [*transforms.__path__, str(tmp_path)])
    all_rules.cache_clear()
    yield folder
    all_rules.cache_clear()
    script.cache_clear()
    for name in [name for name in sys.modules if name.startswith("transforms.toys")]:
        del sys.modules[name]
    vars(transforms).pop("toys", None)


def module(path: Path, text: str = "Says so.", name: str = "__name__") -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(RULE.format(text=text, name=name))


def toys() -> dict[str, Rule]:
    return {rule.id: rule for rule in all_rules() if rule.pack == "toys"}


def test_a_rule_is_a_module_or_a_folder(pack: Path) -> None:
    module(pack / "loose_wheel.py", "A wheel is loose.")
    module(pack / "flat_tyre/__init__.py", "A tyre is flat.")
    (pack / "flat_tyre/pumping.py").write_text("PRESSURE = 2")  # what a rule needs is no rule
    (pack / "flat_tyre/scripts").mkdir()
    (pack / "flat_tyre/scripts/pump.py").write_text("raise SystemExit('never run here')")

    assert {rule_id: rule.explanation for rule_id, rule in toys().items()} == {
        "loose-wheel": "A wheel is loose.",
        "flat-tyre": "A tyre is flat.",
    }


@pytest.mark.parametrize("path", ["loose_wheel.py", "loose_wheel/__init__.py"])
def test_what_has_no_rule_of_its_own_name_is_named(pack: Path, path: str) -> None:
    module(pack / path, name="'transforms.toys.flat_tyre'")

    with pytest.raises(TypeError, match=r"transforms\.toys\.loose_wheel has no RULE of its own name"):
        all_rules()


def test_two_rules_of_one_name_are_named(pack: Path) -> None:
    module(pack / "root_user.py")

    with pytest.raises(TypeError, match=r"transforms\.toys\.root_user and .*are both called root-user"):
        all_rules()


def test_a_script_is_the_text_of_its_file_without_what_is_for_linters(pack: Path) -> None:
    module(pack / "flat_tyre/__init__.py")
    (pack / "flat_tyre/scripts").mkdir()
    (pack / "flat_tyre/scripts/pump.sh").write_text(
        "#!/usr/bin/env bash\n# shellcheck disable=SC2154\n# Pumps.\npump\n"
    )

    toys()
    assert script("transforms.toys.flat_tyre", "pump.sh") == "# Pumps.\npump\n"
    with pytest.raises(OSError, match=r"gone\.sh"):
        script("transforms.toys.flat_tyre", "gone.sh")
