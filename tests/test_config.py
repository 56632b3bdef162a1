"""A configuration says what is meant, or says exactly what is wrong with it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from fixer.config import Config, ConfigError, from_table, json_schema, load_config, starting_text, together
from fixer.languages.toml import toml_value
from fixer.model import Blocked, Finding, Fix, Reported, Rule, RuleOptions, Source, Span, Tier, option
from fixer.registry import all_rules
from fixer.selectors import all_selectors, matches
from tests import examples
from tests.examples import BACKUP, OUTDATED, RULES, SILENT, SLEEP
from tests.fixture_cases import CASES, Case, planned


def config(text: str) -> Config:
    return from_table(tomllib.loads(text), RULES)


def url(config: Config) -> str:
    options = config.options_for(SLEEP)
    assert isinstance(options, examples.Health)
    return options.url


def errors(text: str) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        config(text)
    return [error.removeprefix(".fhfix.toml: ") for error in raised.value.errors]


def selected(of: Config) -> set[str]:
    return {rule.id for rule in RULES if of.selects(rule)}


# -- selecting ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("selector", "chosen"),
    [
        ("silent-type-check", {SILENT.id}),
        ("ci", {SILENT.id, OUTDATED.id}),
        ("D-009", {SILENT.id, OUTDATED.id}),
        ("D-009.5", {SILENT.id}),
        ("d-010.3", {SLEEP.id}),
        ("all", {rule.id for rule in RULES}),
    ],
)
def test_rules_are_selected_by_id_pack_and_audit_reference(selector: str, chosen: set[str]) -> None:
    assert selected(config(f'select = ["{selector}"]')) == chosen
    assert selected(config(f'ignore = ["{selector}"]')) == {rule.id for rule in RULES} - chosen


def test_an_audit_reference_does_not_match_a_longer_number() -> None:
    rule = Rule("transforms.ci.x", "x", examples.nothing, audit=("D-009.51",))

    assert not matches("D-009.5", rule)
    assert not matches("D-00", rule)


def test_ignore_wins_over_select() -> None:
    assert selected(config('select = ["ci"]\nignore = ["D-009.1"]')) == {SILENT.id}


def test_the_command_line_wins_over_the_file() -> None:
    file = config('select = ["deploy"]\nignore = ["ci"]\ntier = "safe"\n[rules.hardcoded-sleep]\nurl="a"')

    both = file.with_command_line(
        RULES, select=["ci"], tier=Tier.REVIEW, options=["rules.hardcoded-sleep.url=https://shop.test/?a=b"]
    )
    assert selected(both) == {SILENT.id, OUTDATED.id}
    assert both.tiers == frozenset(Tier)
    assert url(both) == "https://shop.test/?a=b"
    assert file.tiers == {Tier.SAFE}
    assert selected(file.with_command_line(RULES, ignore=["D-010.6"])) == {SLEEP.id}


def test_command_line_options_are_typed_too() -> None:
    def option(text: str) -> Any:
        return Config().with_command_line(RULES, options=[text]).options_for(OUTDATED)

    assert option("rules.outdated-action.cooldown=7").cooldown == 7
    assert option("rules.outdated-action.except=['a']").except_ == ("a",)
    cooldown = "rules.outdated-action.cooldown"
    for wrong in ("cooldown=7", cooldown, f"{cooldown}=seven", "rules.x.y=1"):
        with pytest.raises(ConfigError, match="--set"):
            option(wrong)
    with pytest.raises(ConfigError, match="did you mean 'ci'"):
        Config().with_command_line(RULES, select=["cii"])


# -- options ------------------------------------------------------------------------------------------------------


def test_options_have_their_defaults_where_nothing_is_said() -> None:
    given = config("[rules.outdated-action]\nmajors = {'actions/checkout' = 5}")

    assert given.options_for(OUTDATED) == examples.Majors("supported", {"actions/checkout": 5}, 3, "", ())
    assert url(given) == ""


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("selct = []", "selct: unknown key; did you mean 'select'?"),
        ("banana = 1", "banana: unknown key"),
        ('select = "ci"', "select: must be a list, not a text"),
        ("select = [1]", "select: must be a list, each item a text"),
        ('select = ["outdated-actions"]', "did you mean 'outdated-action'?"),
        ('tier = "save"', "must be one of safe, review, not 'save'; did you mean 'safe'?"),
        ("tier = 1", "tier: must be a text, not a whole number"),
        ("[rules.hardcoded-sleeps]\nurl = ''", "hardcoded-sleeps: no such rule; did you mean 'hardcoded-sleep'?"),
        ("[rules.hardcoded-sleep]\nurk = 'x'", "rules.hardcoded-sleep.urk: no such option; did you mean 'url'?"),
        ("[rules.hardcoded-sleep]\nseconds = 1", "rules.hardcoded-sleep.seconds: no such option; it has url"),
        ("[rules.silent-type-check]\nx = 1", "no such option; it has none"),
        ("rules.hardcoded-sleep = 1", "rules.hardcoded-sleep: must be a table of options"),
        ("rules.hardcoded-sleep.url = 1", "must be a text, not a whole number"),
        ("rules.outdated-action.cooldown = true", "must be a whole number, not true or false"),
        ("rules.outdated-action.policy = 'newest'", "must be one of supported, latest, audit, not 'newest'"),
        ("[per-path-ignores]\n'a/**' = 'ci'", "must be a list of rules"),
        ("[per-path-ignores]\n'a/**' = ['cii']", "did you mean 'ci'?"),
        ("exclude = ['!']", "not a pattern"),
    ],
)
def test_what_is_unknown_or_mistyped_is_an_error_with_a_suggestion(line: str, error: str) -> None:
    (found,) = errors(line)

    assert error in found


def test_all_errors_are_said_at_once() -> None:
    assert len(errors("selct = []\ntier = 1\n[rules.x]\ny = 1")) == 3


class Picky(RuleOptions):
    a: Sequence[str] = option(("b",), "a list")
    f: float = option(1.5, "a number")
    u: int | str = option(0, "either")
    m: Mapping[str, int] = option({}, "a table")


def picky(source: Source, options: Picky) -> Iterator[Finding]:
    yield from ()


PICKY = Rule("transforms.ci.x", "x", picky)


def test_an_option_has_the_type_that_its_rule_gives_it() -> None:
    found = from_table({"rules": {"x": {"a": ["c"], "f": 2, "u": "b"}}}, [PICKY])

    assert found.options_for(PICKY) == Picky(("c",), 2, "b", {})


@pytest.mark.parametrize(
    ("name", "value", "wrong"),
    [
        ("a", [1], "a: must be a list, each item a text"),
        ("f", "1", "f: must be a number, not a text"),
        ("u", [], "u: must be a whole number or a text, not a list"),
        ("u", True, "u: must be a whole number or a text, not true or false"),
        ("m", {"k": 1.5}, "m: k: must be a whole number, not a number"),
    ],
)
def test_an_option_of_another_type_is_an_error(name: str, value: Any, wrong: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(f"rules.x.{wrong}")):
        from_table({"rules": {"x": {name: value}}}, [PICKY])


# -- files --------------------------------------------------------------------------------------------------------


def test_no_file_is_a_configuration_too(tmp_path: Path) -> None:
    assert load_config(tmp_path, rules=RULES) == Config()
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    assert load_config(tmp_path, rules=RULES) == Config()


@pytest.mark.parametrize("data", [b"[project]\nname = {{ cookiecutter.name }}\n", b"# \xff\n", b""])
def test_a_pyproject_that_says_nothing_of_fhfix_may_be_broken(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "pyproject.toml").write_bytes(data)

    assert load_config(tmp_path, rules=RULES) == Config()


def test_the_own_file_goes_before_pyproject_and_an_explicit_one_before_both(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.fhfix]\nselect = ['ci']\nrules.hardcoded-sleep.url = 'u'\n")
    assert load_config(tmp_path, rules=RULES).select == ("ci",)
    assert url(load_config(tmp_path, rules=RULES)) == "u"

    (tmp_path / ".fhfix.toml").write_text("select = ['deploy']\n")
    assert load_config(tmp_path, rules=RULES).select == ("deploy",)

    other = tmp_path / "other.toml"
    other.write_text("\ufeffselect = ['D-009.1']\n")
    assert load_config(tmp_path, other, RULES).select == ("D-009.1",)
    assert load_config(tmp_path, tmp_path / "pyproject.toml", RULES).select == ("ci",)


@pytest.mark.parametrize(
    ("name", "data", "error"),
    [
        (".fhfix.toml", b"select = [", ".fhfix.toml: not TOML: "),
        (".fhfix.toml", b"# \xff", ".fhfix.toml: not UTF-8"),
        ("pyproject.toml", b"[tool.fhfix]\nx = 1\n", "pyproject.toml: tool.fhfix.x: unknown key"),
        ("pyproject.toml", b"[tool]\nfhfix = 1\n", "pyproject.toml: has no table [tool.fhfix]"),
    ],
)
def test_a_broken_file_is_named(tmp_path: Path, name: str, data: bytes, error: str) -> None:
    (tmp_path / name).write_bytes(data)

    with pytest.raises(ConfigError) as raised:
        load_config(tmp_path, rules=RULES)
    assert str(raised.value).startswith(error)


def test_a_file_whose_name_lacks_its_dot_is_not_passed_over(tmp_path: Path) -> None:
    (tmp_path / "fhfix.toml").write_text('ignore = ["ci"]\n')

    with pytest.raises(ConfigError, match="not read, since the name is"):
        load_config(tmp_path)

    assert load_config(tmp_path, tmp_path / "fhfix.toml").ignore == ("ci",)


def test_an_explicit_file_that_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        load_config(tmp_path, tmp_path / "none.toml", RULES)


def test_the_configuration_lines_of_blocked_findings_can_be_pasted(tmp_path: Path) -> None:
    line = 'rules.hardcoded-sleep.url = "https://shop.test/health"'
    (tmp_path / ".fhfix.toml").write_text(f"{line}\n")
    own = load_config(tmp_path, rules=RULES)
    (tmp_path / ".fhfix.toml").unlink()
    (tmp_path / "pyproject.toml").write_text(f"[tool.fhfix]\n{line}\n")

    assert own.options_for(SLEEP) == load_config(tmp_path, rules=RULES).options_for(SLEEP)
    assert url(own) == "https://shop.test/health"


# -- paths --------------------------------------------------------------------------------------------------------


def reported(path: str = "a/b/ci.yml", rule: Rule = SILENT) -> Reported:
    return Reported(rule, Finding(path, Span(0, 0), "m", Fix("t")))


def wants(of: Config, path: str, rule: Rule = SILENT) -> bool:
    return of.wants(reported(path, rule), Source(path, "x\n"))


def test_paths_are_excluded_as_git_would() -> None:
    of = config("exclude = ['legacy/', '*.gen.yml', '!keep.gen.yml']")

    assert not wants(of, "legacy/a.yml")
    assert not wants(of, "x/legacy/a.yml")
    assert not wants(of, "x/y.gen.yml")
    assert wants(of, "x/keep.gen.yml")
    assert wants(of, "ci.yml")
    assert of.excludes("legacy/a.yml")
    assert not Config().excludes("legacy/a.yml")


def test_rules_are_left_out_below_a_path() -> None:
    of = config("[per-path-ignores]\n'examples/**' = ['D-009.5', 'deploy']")

    assert not wants(of, "examples/x/ci.yml")
    assert wants(of, "examples/x/ci.yml", OUTDATED)
    assert not wants(of, "examples/x/ci.yml", BACKUP)
    assert wants(of, "ci.yml")


# -- the schema and the first file --------------------------------------------------------------------------------


@pytest.mark.needs("check-jsonschema")
def test_the_schema_for_editors_accepts_what_is_accepted_and_refuses_what_is_refused(tmp_path: Path) -> None:
    schema = tmp_path / "schema.json"
    schema.write_text(json.dumps(json_schema(RULES)))
    refused: list[str] = []
    files: list[str] = []

    def written(text: str) -> str:
        files.append(str(tmp_path / f"{len(files)}.json"))
        Path(files[-1]).write_text(json.dumps(tomllib.loads(text)))
        return files[-1]

    def said(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "check_jsonschema", *words]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    assert said("--check-metaschema", str(schema)).returncode == 0
    for good in (
        "",
        "select = ['ci', 'D-009']\ntier = 'safe'\n[per-path-ignores]\n'x' = ['all']\n",
        "[rules.outdated-action]\npolicy = 'latest'\nmajors = {a = 1}\ncooldown = 1\nexcept = ['a']",
    ):
        config(good)
        written(good)
    for bad in ("selct = []", "select = ['x']", "tier = 'x'", "[rules.hardcoded-sleep]\nurk = ''", "rules.x.y = 1"):
        assert errors(bad)
        refused.append(written(bad))
    answer = json.loads(said("--output-format", "json", "--schemafile", str(schema), *files).stdout)
    assert {error["filename"] for error in answer["errors"]} == set(refused)


def test_the_first_file_is_sound_with_and_without_its_comments() -> None:
    text = starting_text(RULES, examples.plan().left, ["Django settings in app/settings.py"])

    assert "#   Django settings in app/settings.py" in text
    assert "# .github/workflows/deploy.yml: sleep 60 waits for a deployment" in text
    assert tomllib.loads(text) == {}
    lines = [line.removeprefix("# ") for line in text.splitlines() if " = " in line or line.startswith("# [")]
    # The value that a finding asks for stands before the option's default: filled in, it is said once.
    asked = [line for line in lines if "example.org" in line]
    assert asked == ['rules.hardcoded-sleep.url = "https://example.org/health"']
    rest = [line for line in lines if not line.startswith("rules.hardcoded-sleep.url")]
    filled = "\n".join(asked + rest).replace("example.org", "shop.test")
    assert url(config(filled)) == "https://shop.test/health"


@pytest.mark.parametrize("value", [True, 3, 1.5, 'a "b" \\ \n\x01é', [1, "a"], {"a b": {"c": [False]}}, ()])
def test_values_are_written_as_toml(value: Any) -> None:
    assert tomllib.loads(f"v = {toml_value(value)}")["v"] == (list(value) if isinstance(value, tuple) else value)


def test_every_selector_selects_something() -> None:
    assert all(any(matches(selector, rule) for rule in RULES) for selector in all_selectors(RULES))


# -- lines of findings that are pasted ----------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_configuration_lines_can_be_pasted_together_as_they_stand(case: Case, tmp_path: Path) -> None:
    rules = [rule for rule in all_rules() if case.rule_id in (rule.id, "financehub")]
    chosen = from_table({"profile": "audit", **tomllib.loads(case.config)}, all_rules())
    left = together(planned(tmp_path, case.before, rules, case.config).left, chosen)
    cures = [each.finding.cure for each in left]
    lines = dict.fromkeys(line for cure in cures if isinstance(cure, Blocked) for line in cure.config.splitlines())
    text = "\n".join(lines)

    table = tomllib.loads(text)
    if "…" in text or "..." in text:
        with pytest.raises(ConfigError) as raised:
            from_table(table, all_rules())
        assert all("is a placeholder, not a value" in each for each in raised.value.errors)
    else:
        from_table(table, all_rules())
    from_table(tomllib.loads(text.replace("https://…", "https://shop.example").replace("…", "a")), all_rules())


def test_what_several_findings_add_to_one_list_or_table_stands_in_one_line() -> None:
    lines = [
        'rules.root-user.mounted = ["/a"]',
        'rules.root-user.mounted = ["/b"]',
        'rules.root-user.images = {"x" = "none"}',
    ]
    rule = next(rule for rule in all_rules() if rule.id == "root-user")
    found = [Reported(rule, Finding("f", Span(0, 0), "m", Blocked("r", config=line))) for line in lines]
    made = together(found, Config(rules={"root-user": {"mounted": ("/c",)}}))

    assert [getattr(each.finding.cure, "config", "") for each in made] == [
        'rules.root-user.mounted = ["/c", "/a", "/b"]',
        'rules.root-user.mounted = ["/c", "/a", "/b"]',
        'rules.root-user.images = {"x" = "none"}',
    ]


@pytest.mark.parametrize(
    "value", ['"…"', '"https://…"', '"https://…/health"', '"..."', '{deploy = "https://…"}', '["…"]']
)
def test_a_placeholder_is_refused(value: str) -> None:
    with pytest.raises(ConfigError, match="is a placeholder, not a value"):
        from_table(tomllib.loads(f"rules.hardcoded-sleep.url = {value}"), all_rules())


def test_words_that_end_in_an_ellipsis_are_no_placeholder() -> None:
    from_table(tomllib.loads("rules.missing-rollback.command = 'echo going back…'"), all_rules())
