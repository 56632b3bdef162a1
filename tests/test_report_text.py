"""Findings for people: where, what, the cure, or what a blocked one waits for."""

from __future__ import annotations

import click

from fixer.model import Blocked, Finding, Fix, Report, Reported, Source, Span
from fixer.show.statistics import counts, statistics_text
from fixer.show.text import summary, text
from tests import examples


def plain(report: Report, *, verbose: bool = False, quiet: bool = False) -> str:
    return click.unstyle(text(report, examples.read, verbose=verbose, quiet=quiet))


def test_each_finding_stands_at_its_line_and_column_with_its_cure() -> None:
    said = plain(examples.report())

    assert (
        ".github/workflows/ci.yml:8:20: error: silent-type-check: the failure of mypy cannot fail this step\n"
        "    fix (safe): let mypy fail the step  ["
    ) in said
    assert (
        ".github/workflows/deploy.yml:7:1: note: missing-predeploy-backup: "
        "the database is not saved before it is migrated\n    fix (review, 1 to do): take a snapshot first  ["
    ) in said
    assert "DB_INSTANCE" not in said


def test_a_blocked_finding_says_why_and_the_line_to_configure() -> None:
    assert (
        ".github/workflows/deploy.yml:7:14: warning: hardcoded-sleep: sleep 60 waits for a deployment\n"
        "    no fix: the health URL is not known; "
        "next: name the URL that answers 200 when the service is up\n"
        '    configure: rules.hardcoded-sleep.url = "https://example.org/health"\n'
    ) in plain(examples.report())


def test_the_worst_stands_first_and_the_same_once() -> None:
    report = Report((*examples.report().findings, examples.report().findings[1]))
    said = plain(report)

    assert said.count("move to v6") == 1
    assert "    also at .github/workflows/ci.yml:7\n" in said
    assert said.index(": error: ") < said.index(": warning: ") < said.index(": note: ")


def test_quiet_is_one_line_per_finding_and_nothing_else() -> None:
    lines = plain(examples.report(), quiet=True).splitlines()

    assert len(lines) == 4
    assert all(line.startswith(".github/workflows/") for line in lines)
    assert plain(Report(()), quiet=True) == ""


def test_verbose_adds_the_line_and_the_change_in_words() -> None:
    said = plain(examples.report(), verbose=True)

    assert "    8 |       - run: mypy . || true\n      |                     ^^^^^^^\n" in said
    assert "      jobs.lint.steps[1].run: failure of mypy now fails it\n" in said
    assert "    to do: set the variable DB_INSTANCE\n" in said
    assert "audit: D-009.5; `fhfix explain silent-type-check` says more" in said


def test_the_summary_counts_by_tier() -> None:
    said = "4 findings (1 error, 2 warnings, 1 note): 3 can be fixed (2 safe, 1 review), 1 blocked."
    assert summary(examples.report()) == said
    shown = click.unstyle(text(examples.report(), examples.read))
    assert shown.endswith(f"{said} `fhfix apply --dry-run` shows the fixes.\n")
    assert summary(Report(())) == "No findings."
    assert summary(Report(examples.report().findings[3:])) == "1 finding (1 warning): none can be fixed, 1 blocked."


def test_nothing_in_a_file_or_message_reaches_the_terminal_raw() -> None:
    found = Reported(examples.SILENT, Finding("a\x1b[2J.yml", Span(0, 1), "b\x1b[31m\nc", Fix("d\x9b")))
    report = Report((found,))

    said = click.unstyle(text(report, lambda path: Source(path, "e\x1b]0;x\x07\n"), verbose=True))
    assert "\x1b" not in said
    assert "\x9b" not in said
    assert "a\\x1b[2J.yml:1:1: error: silent-type-check: b\\x1b[31m c" in said


def test_statistics_count_by_rule_most_first() -> None:
    twice = (*examples.report().findings, examples.report().findings[3])

    assert [(c.rule_id, c.found, c.safe, c.review, c.blocked) for c in counts(twice)] == [
        ("hardcoded-sleep", 2, 0, 0, 2),
        ("missing-predeploy-backup", 1, 0, 1, 0),
        ("outdated-action", 1, 1, 0, 0),
        ("silent-type-check", 1, 1, 0, 0),
    ]
    assert statistics_text(twice).splitlines()[-1].split() == ["all", "5", "2", "1", "2"]
    assert statistics_text(()) == ""


def test_a_line_to_configure_that_several_findings_share_is_said_once() -> None:
    cures = [Blocked(f"the host mounts {name}", "say so", 'rules.root-user.mounted = ["/a", "/b"]') for name in "ab"]
    found = [Reported(examples.SILENT, Finding("f", Span(0, 0), "it runs as root", cure)) for cure in cures]
    said = click.unstyle(text(Report(tuple(found)), lambda path: Source(path, "x\n")))

    assert [line for line in said.splitlines() if "configure" in line] == [
        '    configure: rules.root-user.mounted = ["/a", "/b"]',
        "    configure: as above",
    ]
