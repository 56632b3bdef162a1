"""The audit says where, what and why; ticks only what was verified; and believes no status report."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from textwrap import dedent

import pytest
from markdown_it import MarkdownIt

from fixer.audit.claims import claims, make_targets, status_reports
from fixer.audit.criteria import Criterion, State, criteria
from fixer.audit.document import Audit, as_html, as_json, items_of, markdown
from fixer.audit.needed import needed
from fixer.audit.practices import Verdict
from fixer.config import from_table
from fixer.engine import applies
from fixer.github.workflow import Workflow
from fixer.model import Fault, FileError, Finding, Fix, NewFile, Report, Rule
from fixer.registry import all_rules
from fixer.repository import Repository, generated_by
from fixer.session import open_session
from fixer.show.markdown import code, fenced, words
from fixer.silence import Silence
from tests import examples
from tests.fixture_cases import CASES, Case, sampled
from tests.test_report_json import check_jsonschema, strict

SCHEMA = Path(__file__).parent.parent / "docs/schema/audit-1.json"

DEPLOY = """\
on: push
jobs:
  deploy:
    runs-on: ubuntu-latest
    if: vars.DEPLOYS == 'yes' && github.ref != 'secrets.NOT_READ'
    env:
      KEY: ${{ secrets.deploy_key }}
    steps:
      - uses: ./login
        with: {token: "${{ secrets['API_TOKEN'] || secrets.GITHUB_TOKEN }}"}
      - run: |
          # secrets.IN_PROSE is read by nobody
          mypy . || true
          echo "${{ format('vars.{0}', vars.REGION) }}"
env: {STAGE_NAME: live}
"""
MAKEFILE = """\
BINARY := out
.PHONY: test
test: build ## all of them
build lint::
\techo build: it
deploy-production:
"""
STATUS = """\
# DevOps status

3 workflows run, and the Makefile has 3+ commands.

- ✅ `.github/workflows/deploy.yml` - deploys
- ✅ `Backend/settings.py`
- `docs/` and `/api/v1/health.json` and `*.py`
- [x] scripts/rollback.sh (tested)
- Run `make test` or `make deploy-prod`; make sure that it works
File: Makefile (all commands)
See https://example.org/readme.md

### GitHub Secrets

```
API_TOKEN      # for login
DATABASE_URL   # of production
STAGE_NAME
```

### Settings
```
NOT_A_SECRET
make lint
make logs SERVICE=web
```
"""


def write(root: Path, files: dict[str, str]) -> Repository:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return Repository(root)


@pytest.fixture
def shop(tmp_path: Path) -> Repository:
    files = {
        ".github/workflows/deploy.yml": DEPLOY,
        "Makefile": MAKEFILE,
        "docs/DEVOPS_STATUS.md": STATUS,
        "apps/backend/settings.py": "DEBUG = False\n",
        "settings.py": "",
    }
    return write(tmp_path, files)


def document(**changes: object) -> Audit:
    report = examples.report()
    left = {reported.rule.id: reported for reported in report.findings}
    judged = tuple(
        Criterion(rule, State.OPEN if rule.id in left else State.MET, (left[rule.id],) if rule.id in left else ())
        for rule in examples.RULES
    )
    after = tuple(Criterion(rule, State.OPEN if rule is examples.SLEEP else State.MET, ()) for rule in examples.RULES)
    values = {
        "name": "shop",
        "commit": "33933274",
        "uncommitted": False,
        "items": items_of(report, examples.read),
        "criteria": judged,
        "after": after,
        "needed": (),
        "claims": (),
    }
    return Audit(**{**values, **changes})  # type: ignore[arg-type]


# -- findings ---------------------------------------------------------------------------------------------------


def test_each_finding_has_its_line_its_fix_and_the_text_before_and_after() -> None:
    said = markdown(document())

    assert "**`.github/workflows/ci.yml:8`** The failure of mypy cannot fail this step." in said
    assert "Fix (safe): Let mypy fail the step." in said
    assert (
        "```diff\n"
        "       - uses: actions/checkout@v3  # the code\n"
        "-      - run: mypy . || true\n"
        "+      - run: mypy .\n"
        "       - run: ruff check .\n"
        "```"
    ) in said
    assert "new file `scripts/snapshot.sh`" in said
    assert "- [ ] set the variable DB\\_INSTANCE" in said


def test_a_blocked_finding_says_why_and_what_to_configure() -> None:
    said = markdown(document())

    assert "Blocked: The health URL is not known. Next: Name the URL that answers 200 when the service is up." in said
    assert '```toml\nrules.hardcoded-sleep.url = "https://example.org/health"\n```' in said


def test_findings_that_differ_only_in_their_place_stand_together() -> None:
    first, *_ = [item for item in document().items if item.reported.rule is examples.SILENT]
    said = markdown(document(items=(first, replace(first, line=99))))

    assert f"**`{first.reported.finding.path}:{first.line}`, `{first.reported.finding.path}:99`** " in said
    assert (
        f"Before and after, `{first.reported.finding.path}:{first.changes[0].line}`, and likewise in 1 other place:"
        in said
    )
    assert said.count("```diff") == len(first.changes)


def test_tasks_come_by_priority_with_the_hours_of_what_is_open() -> None:
    rows = [line for line in markdown(document()).splitlines() if line.startswith("| ")]

    assert rows[1:] == [
        "| D-010 Deployment safety and rollback | critical | 0 of 2 | 2 | 4 |",
        "| D-009 Continuous integration | high | 0 of 2 | 2 | 1.5 |",
    ]


def test_a_change_of_many_lines_is_cut_and_counted() -> None:
    first = examples.report().findings[0]
    long = "".join(f"# {number}\n" for number in range(100))
    finding = replace(first.finding, cure=Fix("write", new_files=(NewFile("long.sh", long),)))
    report = Report((replace(first, finding=finding),))

    said = markdown(document(items=items_of(report, examples.read)))

    assert "\n+# 59\n  … 40 more lines\n```" in said
    assert "+# 60" not in said


# -- boxes ------------------------------------------------------------------------------------------------------


def nothing(workflow: Workflow) -> Iterator[Finding]:
    yield from ()


class Spaceship:
    """A fact that no repository has."""

    @classmethod
    def detect(cls, repository: Repository) -> Spaceship | None:
        return None


def for_spaceships(workflow: Workflow, ship: Spaceship) -> Iterator[Finding]:
    yield from ()


def for_optional_spaceships(workflow: Workflow, ship: Spaceship | None) -> Iterator[Finding]:
    yield from ()


def test_only_what_was_looked_at_and_found_good_is_met(shop: Repository) -> None:
    rules = [
        Rule("transforms.ci.silent_type_check", "", nothing, ("D-009.5",)),
        Rule("transforms.ci.outdated_action", "", nothing, ("D-009.1",)),
        Rule("transforms.ci.crashes", "", nothing, ("D-009.9",)),
        Rule("transforms.ci.flies", "", for_spaceships, ("D-009.10",)),
        Rule("transforms.ci.may_fly", "", for_optional_spaceships, ("D-009.11",)),
        Rule("transforms.deploy.hardcoded_sleep", "", nothing, ("D-010.3",)),
    ]
    found = [reported for reported in examples.report().findings if reported.rule is examples.SILENT]
    faults = [Fault("crashes", "", "ZeroDivisionError")]

    states = {c.rule.id: c.state for c in criteria(rules, shop, Report(tuple(found), tuple(faults)))}

    assert list(states.items()) == [
        ("hardcoded-sleep", State.MET),
        ("outdated-action", State.MET),
        ("silent-type-check", State.OPEN),
        ("crashes", State.UNKNOWN),
        ("flies", State.NOT_APPLICABLE),
        ("may-fly", State.MET),
    ]


def test_a_file_that_could_not_be_read_unticks_the_rules_that_look_at_it(shop: Repository) -> None:
    rule = Rule("transforms.ci.outdated_action", "", nothing, ("D-009.1",))
    workflow, dockerfile = FileError(".github/workflows/a.yml", "not YAML"), FileError("Dockerfile", "not UTF-8")

    assert [c.state for c in criteria([rule], shop, Report((), (), (workflow,)))] == [State.UNKNOWN]
    assert [c.state for c in criteria([rule], shop, Report((), (), (dockerfile,)))] == [State.MET]


def test_a_migration_that_django_began_is_read_like_other_modules() -> None:
    text = "# Generated by Django 4.2.27 on 2026-01-29 13:09\n"

    assert generated_by("shop/migrations/0001_initial.py", text) == ""
    assert generated_by("shop/models.py", text) != ""


def test_a_file_that_is_kept_in_step_with_another_is_not_for_editing() -> None:
    text = "# This file is synced from the templates of the team and should not be edited directly\nname: Release\n"

    assert generated_by(".github/workflows/release.yml", text).startswith("This file is synced")
    assert generated_by(".github/workflows/release.yml", "# The branch should not be rebased\nname: x\n") == ""


def test_what_an_apply_mends_is_said_where_a_file_could_not_be_looked_at() -> None:
    silent = document().criteria[1]
    items = tuple(item for item in document().items if item.reported.rule is silent.rule)
    said = markdown(document(criteria=(silent,), after=(Criterion(silent.rule, State.UNKNOWN),), items=items))

    assert "(1 finding; `fhfix apply` mends that, as far as could be looked at)" in boxes(said)[0]


def test_where_there_is_nothing_of_its_kind_a_rule_is_not_applicable(tmp_path: Path) -> None:
    rule = Rule("transforms.ci.outdated_action", "", nothing, ("D-009.1",))

    assert [c.state for c in criteria([rule], write(tmp_path, {"a.txt": ""}), Report(()))] == [State.NOT_APPLICABLE]


def test_boxes_show_the_state_and_what_an_apply_would_mend() -> None:
    met = Criterion(examples.OUTDATED, State.MET)
    unknown = Criterion(examples.BACKUP, State.UNKNOWN, why="could not be read: a.yml")
    silent, _, sleep, _ = document().criteria
    items = tuple(item for item in document().items if item.reported.rule in (silent.rule, sleep.rule))
    said = markdown(document(criteria=(sleep, silent, met, unknown), items=items))

    assert boxes(said) == [
        f"- [ ] D-010.3: {examples.SLEEP.criterion} (1 finding; see below for what is missing)",
        f"- [ ] D-010.6: {examples.BACKUP.criterion} (not known: could not be read: a.yml)",
        f"- [ ] D-009.5: {examples.SILENT.criterion} (1 finding; `fhfix apply` mends that)",
        f"- [x] D-009.1: {examples.OUTDATED.criterion}",
    ]


def test_a_box_stays_open_over_findings_that_are_not_listed() -> None:
    silent, _, sleep, _ = document().criteria
    twice = replace(sleep, left=(*sleep.left, *sleep.left))
    items = tuple(item for item in document().items if item.reported.rule is sleep.rule)
    said = markdown(document(criteria=(twice, silent), items=items))

    assert "1 finding: 0 with a fix, 1 blocked. 2 more are left out." in said
    assert boxes(said) == [
        f"- [ ] D-010.3: {examples.SLEEP.criterion} (2 findings; 1 left out here; see below for what is missing)",
        f"- [ ] D-009.5: {examples.SILENT.criterion} (1 finding; 1 left out here)",
    ]


SILENT = next(rule for rule in all_rules() if rule.id == "silent-type-check")


def boxes(said: str) -> list[str]:
    return [line for line in said.splitlines() if line.startswith("- [")]


# -- secrets and variables --------------------------------------------------------------------------------------


def test_secrets_and_variables_are_found_where_expressions_read_them(shop: Repository) -> None:
    path = ".github/workflows/deploy.yml"

    assert [(one.kind, one.name, *((use.line, use.what) for use in one.uses)) for one in needed(shop)] == [
        ("secrets", "API_TOKEN", (10, "job deploy, as token")),
        ("secrets", "DEPLOY_KEY", (7, "job deploy, as KEY")),
        ("secrets", "GITHUB_TOKEN", (10, "job deploy, as token")),
        ("vars", "DEPLOYS", (5, "job deploy, in a condition")),
        ("vars", "REGION", (14, "job deploy, in a script")),
    ]
    assert {use.path for one in needed(shop) for use in one.uses} == {path}


def test_an_alias_of_a_secret_is_a_use_of_its_own(tmp_path: Path) -> None:
    text = "on: push\njobs:\n  a:\n    runs-on: x\n    env:\n      A: &token ${{ secrets.TOKEN }}\n      B: *token\n"
    (found,) = needed(write(tmp_path, {".github/workflows/a.yml": text}))
    assert [(use.line, use.what) for use in found.uses] == [(6, "job a, as A"), (7, "job a, as B")]


# -- claims -----------------------------------------------------------------------------------------------------


def test_every_claim_of_a_report_is_checked_against_the_tree(shop: Repository) -> None:
    assert status_reports(shop) == ["docs/DEVOPS_STATUS.md"]
    found = claims(shop, status_reports(shop), ["API_TOKEN"])

    assert [(c.line, c.kind, c.said, c.verdict.value, c.found) for c in found] == [
        (3, "workflows", "3", "false", "there are 1"),
        (3, "make targets", "3", "true", "there are 4"),
        (5, "file", ".github/workflows/deploy.yml", "true", ""),
        (6, "file", "Backend/settings.py", "elsewhere", "there is apps/backend/settings.py"),
        (7, "file", "docs/", "true", ""),
        (8, "file", "scripts/rollback.sh", "false", "not there"),
        (9, "make target", "test", "true", ""),
        (9, "make target", "deploy-prod", "false", "the Makefile has no such target, but deploy-production"),
        (10, "file", "Makefile", "true", ""),
        (16, "secret", "API_TOKEN", "true", ""),
        (17, "secret", "DATABASE_URL", "false", "no workflow reads it"),
        (18, "secret", "STAGE_NAME", "elsewhere", ".github/workflows/deploy.yml sets it as a plain variable"),
        (24, "make target", "lint", "true", ""),
        (25, "make target", "logs", "false", "the Makefile has no such target"),
    ]


def test_targets_are_names_of_rules_and_no_variables(shop: Repository) -> None:
    assert make_targets(shop) == {"test", "build", "lint", "deploy-production"}


@pytest.mark.parametrize(
    ("path", "is_report"),
    [
        ("DEVOPS_FINAL_REPORT.txt", True),
        ("docs/infrastructure-status.md", True),
        ("docs/DEPLOYMENT_SUMMARY.md", True),
        ("docs/DEPLOYMENT.md", False),
        ("src/status.py", False),
        ("docs/project-status.md", False),
    ],
)
def test_status_reports_are_known_by_their_names(tmp_path: Path, path: str, is_report: bool) -> None:
    assert status_reports(write(tmp_path, {path: ""})) == [path] * is_report


def test_what_is_true_is_counted_and_what_is_not_is_listed(shop: Repository) -> None:
    found = tuple(claims(shop, status_reports(shop), ["API_TOKEN"]))
    said = markdown(document(claims=found))

    assert f"{sum(c.verdict is Verdict.TRUE for c in found)} of {len(found)} claims are true." in said
    assert "| 3 | 3 workflows | there are 1 |" in said
    assert "| 8 | file `scripts/rollback.sh` | not there |" in said


# -- forms ------------------------------------------------------------------------------------------------------

PRACTISED = {
    "pytest.ini": "[pytest]\naddopts = -q -n auto --cov-fail-under=80\n",
    "playwright.config.ts": "projects: [{name: 'chromium'}, {name: 'webkit'}]\n",
    "e2e/home.spec.ts": "await expect(page).toHaveScreenshot()\n",
    "tests/load/locustfile.py": "P95_MS = 500\nERROR_RATE = 0.01\nenvironment.process_exit_code = 1\n",
    ".github/workflows/scan.yml": "on: {schedule: [{cron: '0 6 * * *'}]}\njobs:\n  scan:\n    runs-on: ubuntu-latest\n"
    "    steps: [{run: trivy fs .}]\n  keep:\n    runs-on: ubuntu-latest\n    steps:\n"
    "      - run: aws ecs wait services-stable --cluster shop-live\n      - run: pg_dump > x\n"
    "      - run: docker push $REGISTRY/shop-api\n"
    "      - run: pg_restore --dbname tried x\n",
    ".github/workflows/nightly.yml": "on: {schedule: [{cron: '0 3 * * *'}]}\njobs:\n  keep:\n"
    "    runs-on: ubuntu-latest\n    steps: [{run: 'pg_dump > x'}]\n",
    "scripts/a.sh": 'main() {\n  local way="${1:-up}"\n  case "$way" in up) ;; *) exit 1 ;; esac\n}\nmain "$@"\n',
    ".env.example": "NAME=\nDEBUG=\n",
    "manage.py": "import os\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings')\n",
    "shop/__init__.py": "",
    "shop/settings.py": "import os\nDEBUG = os.getenv('DEBUG')\nROOT_URLCONF = 'shop.urls'\nINSTALLED_APPS = []\n",
    "shop/urls.py": "from django.urls import path\nurlpatterns = [path('api/health/', print)]\n",
    "scripts/b.py": "",
    "runbooks/down.md": "",
    "docs/GUIDE.md": "line\n" * 40,
    "compose.yml": "services:\n  web:\n    image: nginx\n    volumes: ['./nginx.conf:/etc/nginx/nginx.conf']\n",
    "nginx.conf": "",
    "Dockerfile": "FROM node AS ui\nCOPY scripts .\nFROM nginx\nCOPY --from=ui /dist /srv\n",
    "Makefile": "HOST ?= x\nload:\n\tlocust --host $(HOST) # $(MAKEFILE_LIST)\ndeploy:\n\t./scripts/a.sh\n"
    "health:\n\t@curl --fail http://localhost:8000/api/health\nall: deploy\n\t$(MAKE) health\n",
}

MOVED = "FROM node AS ui\nWORKDIR /ui\nCOPY . .\nRUN make\nFROM nginx\nCOPY --from=ui /ui/GUIDE.md /ui/dist /srv\n"
BUILT_ELSEWHERE = (
    "on: push\njobs:\n  keep:\n    runs-on: ubuntu-latest\n    steps:\n"
    "      - run: docker build .\n      - run: docker build -f Dockerfile docs\n"
)
PUSHES_NOTHING = "on: push\njobs:\n  a: {runs-on: x, steps: [{run: docker build -t shop-api .}]}\n"
ASKS_WHEN_UP = dedent(
    """\
    ask() {
      local url="${1:-http://localhost/api/status}"
      curl "$url"
    }
    case "${1:-up}" in
      up) ask ;;
      log) cat log ;;
    esac
    """
)


@pytest.mark.parametrize(
    ("line", "kind", "gone"),
    [
        ("- 80% coverage requirement", "coverage", {"pytest.ini": ""}),
        ("- Parallel test execution", "parallel tests", {"pytest.ini": "[pytest]\n"}),
        ("- Visual regression testing", "visual tests", {"e2e/home.spec.ts": ""}),
        ("- Cross-browser support", "browsers", {"playwright.config.ts": "{name: 'chromium'}"}),
        ("- API response (p95): < 500ms", "limit", {"tests/load/locustfile.py": "P95_MS = 500\n"}),
        ("- Daily dependency scanning", "daily scan", {".github/workflows/scan.yml": "on: push\njobs: {}\n"}),
        ("- 2+ scripts", "scripts", {"scripts/a.sh": None}),
        ("- 1 runbooks", "runbooks", {"runbooks/down.md": None}),
        ("- docs/GUIDE.md (40+ lines)", "lines", {"docs/GUIDE.md": "line\n" * 39}),
        ("- Complete dev stack (compose)", "stack", {"nginx.conf": None}),
        ("- Multi-stage builds", "stages", {"Dockerfile": "FROM nginx\n"}),
        ("- Multi-stage builds", "stages", {"scripts/a.sh": None, "scripts/b.py": None}),
        ("- Multi-stage builds", "stages", {"Dockerfile": MOVED}),
        ("- Multi-stage builds", "stages", {".github/workflows/nightly.yml": BUILT_ELSEWHERE}),
        ("- ECR repository: shop-api", "registry", {".github/workflows/scan.yml": PUSHES_NOTHING}),
        ("- make all", "make target", {"shop/urls.py": "urlpatterns = []\n"}),
        ("- make all", "make target", {"Makefile": "all:\n\tmake health\n"}),
        ("- ./scripts/a.sh", "command", {"scripts/a.sh": ASKS_WHEN_UP}),
        ("- ECS cluster: shop-live", "cluster", {".github/workflows/scan.yml": "on: push\njobs: {}\n"}),
        ("- Automated backups", "backups", {".github/workflows/nightly.yml": "on: push\njobs: {}\n"}),
        ("- Tested restores", "restores", {".github/workflows/scan.yml": "on: push\njobs: {}\n"}),
        ("- make deploy", "make target", {"scripts/a.sh": None}),
        ("- make health", "make target", {"shop/urls.py": "urlpatterns = []\n"}),
        ("- ./scripts/a.sh", "command", {"scripts/a.sh": 'case "$1" in up) ;; *) exit 1 ;; esac\n'}),
        ("- ./scripts/a.sh", "command", {"scripts/a.sh": 'curl "$HOST/api/status"\n'}),
        ("- `.env.example` holds all variables", "env template", {".env.example": "NAME=\n"}),
        ("- Error rate: < 1%", "failures", {"tests/load/locustfile.py": "ERROR_RATE = 5\nprocess_exit_code = 1\n"}),
        ("- API health (/api/health/)", "route", {"shop/urls.py": "urlpatterns = []\n"}),
        ("- make load", "make target", {"Makefile": "load:\n\tlocust --host $(HOST)\n"}),
    ],
)
def test_what_is_said_to_be_done_is_true_until_it_is_taken_away(
    tmp_path: Path, line: str, kind: str, gone: dict[str, str | None]
) -> None:
    def verdicts(folder: str, files: dict[str, str]) -> list[Verdict]:
        found = claims(write(tmp_path / folder, {**files, "STATUS.md": f"# Status\n\n{line}\n"}), ["STATUS.md"], [])
        return [claim.verdict for claim in found if claim.kind == kind]

    without = {path: text for path, text in {**PRACTISED, **gone}.items() if text is not None}

    assert verdicts("there", PRACTISED) == [Verdict.TRUE]
    assert verdicts("gone", without) == [Verdict.FALSE]


def test_a_script_is_judged_by_what_it_runs_when_it_is_given_that(tmp_path: Path) -> None:
    files = {**PRACTISED, "scripts/a.sh": ASKS_WHEN_UP, "STATUS.md": "- ./scripts/a.sh log\n- ./scripts/a.sh up\n"}
    found = [each.verdict for each in claims(write(tmp_path, files), ["STATUS.md"], []) if each.kind == "command"]
    assert found == [Verdict.TRUE, Verdict.FALSE]


@pytest.mark.parametrize(
    ("line", "kind", "path", "text"),
    [
        ("- ✅ Prometheus metrics", "metrics", "shop/urls.py", "from django_prometheus import exports\n"),
        (
            "- Uptime monitoring",
            "uptime checks",
            ".github/workflows/uptime.yml",
            "on: {schedule: [{cron: '7 * * * *'}]}\n"
            "jobs: {a: {runs-on: x, steps: [{run: curl --fail https://shop.example/health/}]}}\n",
        ),
        (
            "- Slack alerts",
            "alerts",
            ".github/workflows/nightly.yml",
            "on: push\njobs: {a: {runs-on: x, steps: [{if: failure(), uses: slackapi/slack-github-action@v2}]}}\n",
        ),
        ("- CloudWatch metrics", "CloudWatch", "infra/main.tf", 'name = "containerInsights"\n'),
    ],
)
def test_what_is_said_of_monitoring_is_true_where_something_does_it(
    tmp_path: Path, line: str, kind: str, path: str, text: str
) -> None:
    for folder, files, verdict in (("there", {path: text}, Verdict.TRUE), ("gone", {}, Verdict.FALSE)):
        shop = write(tmp_path / folder, {**files, "STATUS.md": f"# Status\n\n{line}\n"})
        found = [each for each in claims(shop, ["STATUS.md"], []) if each.kind == kind]
        assert [each.verdict for each in found] == [verdict]


def test_what_is_still_to_be_done_is_no_claim(tmp_path: Path) -> None:
    report = (
        "# Status\n\n- [ ] Automated backups\n- \u23f3 Daily scans\n- Add visual regression testing\n"
        "- Bugs:\n  - A file could stay in `watch/`.\n\n## Next steps\n\n- Configure automated backups in `infra/`\n"
        "\n### Priority 1\n\n```\n# daily scans\n```\n- `infra/vpc/`\n"
    )

    assert claims(write(tmp_path, {"STATUS.md": report}), ["STATUS.md"], []) == []


def test_what_no_tree_can_show_is_said_so_and_not_counted(tmp_path: Path) -> None:
    report = (
        "# Status\n\n- Execution time: ~25 minutes\n- Image: 200MB\n- Uptime: 99.9 %\n- docs/GUIDE.md (40+ lines)\n"
    )
    found = claims(write(tmp_path, {**PRACTISED, "STATUS.md": report}), ["STATUS.md"], [])

    said = markdown(document(claims=tuple(found)))

    assert [claim.verdict for claim in found if claim.kind in ("duration", "size", "rate")] == [
        Verdict.NOT_CHECKABLE
    ] * 3
    counted = [claim for claim in found if claim.verdict is not Verdict.NOT_CHECKABLE]
    assert f"{len(counted)} of {len(counted)} claims are true." in said
    assert "Not to be seen in a tree, and not counted: \\~25 minutes (line 3); 200MB (line 4)" in said


@pytest.mark.parametrize("closed", [False, True], ids=["as published", "no key that it does not describe"])
def test_the_json_keeps_to_its_schema(shop: Repository, tmp_path: Path, closed: bool) -> None:
    whole = document(
        needed=tuple(needed(shop)),
        claims=tuple(claims(shop, status_reports(shop), [])),
        faults=(Fault("silent-type-check", "a.yml", "broke its promise"),),
        problems=(FileError("b.yml", "not YAML", "look at line 3"),),
    )
    schema = json.loads(SCHEMA.read_text())
    (tmp_path / "schema.json").write_text(json.dumps(strict(schema) if closed else schema))
    (tmp_path / "audit.json").write_text(as_json(whole))

    assert check_jsonschema("--schemafile", tmp_path / "schema.json", tmp_path / "audit.json")[0] == 0


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.said = ""
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "input", "br", "hr"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.said += data


def test_the_page_holds_everything_and_loads_nothing(shop: Repository) -> None:
    page = Page(as_html(document(needed=tuple(needed(shop)))))

    assert page.open == []
    assert not [
        tag for tag, attributes in page.tags if tag in ("script", "link", "img", "iframe") or "src" in attributes
    ]
    boxes = [attributes for tag, attributes in page.tags if tag == "input"]
    assert len(boxes) == 5
    assert all("disabled" in box for box in boxes)
    assert ("span", {"class": "del"}) in page.tags
    assert "-      - run: mypy . || true" in page.said


def test_what_a_file_says_stays_text_in_markdown_and_html() -> None:
    first = examples.report().findings[0]
    bad = "</code><script>alert(1)</script> | **bold** ``` [x](http://example.org)"
    finding = replace(first.finding, message=bad)
    whole = document(
        name=bad,
        items=items_of(Report((replace(first, finding=finding),)), examples.read),
        problems=(FileError("a", bad),),
    )

    page = Page(as_html(whole))

    assert not [tag for tag, _ in page.tags if tag == "script"]
    assert not [a for tag, a in page.tags if tag == "a" and not (a["href"] or "").startswith("#part-")]
    assert page.said.count("<script>alert(1)</script>") == 4


@pytest.mark.parametrize(
    "text", ["a`b", "``", "a|b", "<b>", "*x*", "a\nb", "~~x~~", "![i](j)", "&amp;", "1_2_3", "#1 @me"]
)
def test_words_and_code_come_out_of_a_renderer_as_they_went_in(text: str) -> None:
    render = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"]).render

    for form in (words, code):
        page = Page(render(f"x {form(text)} x"))
        assert page.said.strip() == f"x {' '.join(text.split())} x"
        assert {tag for tag, _ in page.tags} <= {"p", "code"}
    assert Page(render(fenced(f"{text}\n```\n````\n"))).said.rstrip() == f"{text}\n```\n````"


# -- the command ------------------------------------------------------------------------------------------------


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    code = "from fixer.cli import main; main()"
    return subprocess.run([sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True)


@pytest.mark.slow
def test_a_box_that_was_open_is_ticked_after_an_apply(shop: Repository) -> None:
    select = ("--select", "silent-type-check")
    before = run("audit", shop.root, *select)
    apply = run("apply", "-q", shop.root, *select)
    after = run("audit", shop.root, *select)

    assert (before.returncode, apply.returncode, after.returncode) == (0, 0, 0), before.stderr + after.stderr
    text = SILENT.criterion
    assert f"- [ ] D-009.5: {text} (1 finding; `fhfix apply` mends that)" in before.stdout
    assert f"- [x] D-009.5: {text}\n" in after.stdout
    assert re.search(r"\*\*`\.github/workflows/deploy\.yml:1[123]`\*\*", before.stdout)


def test_an_audit_of_a_path_is_about_what_lies_below_it(shop: Repository) -> None:
    """Also where that are fixtures, which do not count otherwise."""
    write(shop.root, {"tests/fixtures/a/.github/workflows/ci.yml": DEPLOY.replace("KEY", "OTHER")})
    subprocess.run(["git", "init", "-q", shop.root], check=True)
    said = run("audit", shop.root / "tests/fixtures/a", "--select", "D-009.5", "--profile", "audit").stdout

    assert said.startswith("# DevOps audit of tests/fixtures/a in ")
    assert "; 1 would be after `fhfix apply --profile audit`." in said
    assert boxes(said) == [f"- [ ] D-009.5: {SILENT.criterion} (1 finding; `fhfix apply` mends that)"]
    assert "`.github/workflows/deploy.yml" not in said


@pytest.mark.parametrize("how", ["exclusion", "comment"])
def test_nothing_that_is_left_out_ticks_a_box(shop: Repository, how: str) -> None:
    workflow = shop.root / ".github/workflows/deploy.yml"
    if how == "comment":
        workflow.write_text(DEPLOY.replace("mypy . || true", "mypy . || true  # fhfix: ignore[all]"))
    subprocess.run(["git", "init", "-q", shop.root], check=True)
    exclude = ["--exclude", ".github/"] if how == "exclusion" else []

    said = run("audit", shop.root, *exclude, "--select", "D-009.5").stdout

    assert boxes(said) == [f"- [ ] D-009.5: {SILENT.criterion} (1 finding; 1 left out here)"]


def test_a_repository_without_a_work_tree_has_a_document_too(tmp_path: Path) -> None:
    source, bare = tmp_path / "source", tmp_path / "bare.git"
    subprocess.run(["git", "init", "-q", source], check=True)
    name = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    subprocess.run(["git", "-C", source, *name, "commit", "-q", "--allow-empty", "-m", "first"], check=True)
    subprocess.run(["git", "clone", "-q", "--bare", source, bare], check=True)

    assert run("audit", bare).returncode == 0


def test_the_document_goes_to_a_file_on_demand(shop: Repository, tmp_path: Path) -> None:
    target = tmp_path / "audit.html"

    done = run("audit", shop.root, "--format", "html", "-o", target)

    assert (done.returncode, done.stdout) == (0, "")
    assert target.read_text().startswith("<!doctype html>")


def test_a_status_report_that_is_not_there_is_a_usage_error(shop: Repository) -> None:
    done = run("audit", shop.root, "--report", "nowhere.md")

    assert done.returncode == 2
    assert "nowhere.md: no such file in the repository" in done.stderr


# -- what there is nothing to judge of ----------------------------------------------------------------------------

MENDED = [case for case in CASES if case.after and case.rule_id != "financehub"]
TESTS_ONLY = """\
on: push
jobs:
  test:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v6
      - run: make
"""


def states(root: Path) -> dict[str, State]:
    return {criterion.rule.id: criterion.state for criterion in open_session(root).criteria()}


def test_who_deploys_nothing_and_checks_no_types_gets_no_ticks_for_it(tmp_path: Path) -> None:
    found = states(write(tmp_path, {".github/workflows/ci.yml": TESTS_ONLY}).root)
    left = {"outdated-action", "retired-workflow-command"}

    assert {rule_id for rule_id, state in found.items() if state is not State.NOT_APPLICABLE} == left
    assert {found[rule_id] for rule_id in left} == {State.MET}


@pytest.mark.parametrize(
    ("run", "rule_id"),
    [
        ("mypy .", "silent-type-check"),
        ("gh release create v1", "deprecated-release-action"),
        ("kubectl set image deployment/shop shop=x:1", "hardcoded-sleep"),
        ("kubectl set image deployment/shop shop=x:1; curl -f --retry 9 --retry-all-errors https://shop.example/health",
         "single-shot-health-check"),
    ],
)  # fmt: skip
def test_a_tick_is_given_where_there_was_something_to_judge(tmp_path: Path, run: str, rule_id: str) -> None:
    text = TESTS_ONLY.replace("run: make", f"run: {run}")

    assert states(write(tmp_path, {".github/workflows/ci.yml": text}).root)[rule_id] is State.MET


def test_an_image_for_development_alone_is_no_image_that_does_not_run_as_root(tmp_path: Path) -> None:
    shop = write(tmp_path, {".devcontainer/Dockerfile": "FROM python:3.12\nCMD python\n"})

    assert states(shop.root)["root-user"] is State.NOT_APPLICABLE


def test_a_rule_that_fails_when_it_is_asked_whether_it_applies_gives_no_tick(tmp_path: Path) -> None:
    def fails(workflow: Workflow) -> bool:
        raise ValueError("odd")

    shop = write(tmp_path, {".github/workflows/ci.yml": TESTS_ONLY})
    rule = replace(next(rule for rule in all_rules() if rule.id == "silent-type-check"), applies=fails)

    (criterion,) = criteria([rule], shop, Report(()))
    assert criterion.state is State.UNKNOWN
    assert criterion.why.startswith("the rule failed: ValueError: odd")


@pytest.mark.parametrize("case", sampled(MENDED))
def test_where_a_rule_finds_something_it_had_something_to_judge(case: Case, tmp_path: Path) -> None:
    files = {path: data.decode("utf-8-sig") for path, data in case.before.items()}
    shop = write(tmp_path, files).told(Silence(all_rules(), all_rules()))
    rule = next(rule for rule in all_rules() if rule.id == case.rule_id)

    assert applies(rule, shop, from_table(tomllib.loads(case.config), all_rules()).options_for(rule)) is True
