"""Files that are odd and do occur: keys without a value, aliases, values of another type, numbers without end.

A rule may find nothing in them, say why it can do nothing, or fill what is empty. It never fails.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from fixer.model import Plan
from fixer.registry import all_rules
from tests.fixture_cases import planned

CI = ".github/workflows/ci.yml"


def workflow(steps: str, *, top: str = "", job: str = "") -> str:
    return f"name: CI\non: push\n{top}jobs:\n  test:\n    runs-on: ubuntu-latest\n{job}    steps:\n{steps}"


SETTINGS = """\
import os
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": os.environ["DB"],
        "HOST": os.environ["DB_HOST"],
    },
}
ROOT_URLCONF = "shop.urls"
WSGI_APPLICATION = "shop.wsgi.application"
INSTALLED_APPS = ["django.contrib.auth"]
"""
DJANGO = {
    "manage.py": "import os\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings')\n",
    "shop/__init__.py": "",
    "shop/settings.py": SETTINGS,
    "shop/urls.py": "urlpatterns = []\n",
    "shop/wsgi.py": "import os\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings')\n",
    "requirements.txt": "Django==4.2\npsycopg2-binary==2.9.9\ngunicorn==21.2.0\n",
}
TESTS = """\
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v4
        with:
          python-version: '3.11'
      - run: pip install -r requirements.txt
      - run: python manage.py test
"""
COMPOSE = """\
services:
  web:
    build: .
    command: gunicorn shop.wsgi
    environment:{}
    depends_on: {}
  db:
    image: postgres:16
"""
SETUP = "      - uses: actions/setup-python@v1\n        with:{}\n"
UPLOAD = "      - uses: actions/upload-artifact@v2\n        with:\n          name: *v\n          path: {}\n"
RELEASE = """\
      - uses: actions/create-release@v1
        id: release
        with:
          tag_name: {0}
          release_name: {0}
"""
DEPLOY = """\
on: push
jobs:
  deploy:
    runs-on: ubuntu-latest
    environment: production
    outputs:{0}
    env:{0}
    permissions:{0}
    steps:
      - uses: aws-actions/configure-aws-credentials@v2
        with:{0}
      - run: aws ecs update-service --cluster c --service s --force-new-deployment
        env:{0}
      - run: kubectl set image deployment/web web=x:${{{{ github.sha }}}} --namespace prod
        env:{0}
      - run: |
          sleep 60
          curl -f "https://${{{{ vars.HOST }}}}/health"
        env:{0}
  rollback-production:{0}
"""
EVERYTHING_ELSE = """\
on: {push: , pull_request: []}
permissions: []
env: x
defaults: []
jobs:
  a:
    runs-on: .inf
    outputs: ''
    permissions: []
    env: CI
    strategy: x
    services: 3
    defaults: []
    needs: {}
    if: [1]
    container: []
    environment: []
    concurrency: []
    timeout-minutes: x
    steps:
      - uses: actions/github-script@v4
        with:
          script: {}
      - uses: actions/checkout@v3
        env: CI
      - run: [a]
      - uses: {}
      - run: mypy . || true
        shell: []
  b:
  c: 3
  d: []
  e:
    steps:
"""
COMMENTS = "\n      # nothing yet"

CASES: dict[str, Mapping[str, str]] = {
    "with: {}": {CI: workflow(SETUP.format(" {}"))},
    "with: nothing": {CI: workflow(SETUP.format(""))},
    "with: text": {CI: workflow(SETUP.format(" x"))},
    "an input that is a mapping": {CI: workflow(SETUP.format("\n          python-version: {}"))},
    "an input that is an alias": {
        CI: workflow(SETUP.format("\n          python-version: *v"), top="env:\n  V: &v '3.9'\n")
    },
    "an input that is an alias of a list": {
        CI: workflow(SETUP.format("\n          python-version: *v"), top="x: &v ['3.9']\n")
    },
    "names of artifacts that are aliases": {
        CI: workflow(UPLOAD.format("a") + UPLOAD.format("b"), top="env:\n  V: &v art\n")
    },
    "a release that is named by an alias": {CI: workflow(RELEASE.format("*t"), top="env:\n  T: &t v1\n")},
    "a release that is named by a list": {CI: workflow(RELEASE.format("[]"))},
    "compose: only comments in environment": {
        **DJANGO, "compose.yml": COMPOSE.format(COMMENTS, "[db]"), CI: workflow(TESTS)
    },
    "compose: depends_on: true": {**DJANGO, "compose.yml": COMPOSE.format(" 3", "true"), CI: workflow(TESTS)},
    "only comments in the env of a job": {**DJANGO, CI: workflow(TESTS, job=f"    env:{COMMENTS}\n")},
    "deploy: nothing everywhere": {CI: DEPLOY.format("")},
    "deploy: {} everywhere": {CI: DEPLOY.format(" {}")},
    "deploy: [] everywhere": {CI: DEPLOY.format(" []")},
    "deploy: text everywhere": {CI: DEPLOY.format(" x")},
    "every other type": {CI: EVERYTHING_ELSE},
    "no jobs": {CI: "on: push\njobs:\n"},
    "COPY of nothing": {"Dockerfile": "FROM python:3.11\nCOPY\nADD\nCMD python app.py\n"},
    "a major without end": {CI: workflow(f"      - uses: a/b@{'1' * 16_000}\n")},
    "a number without end": {**DJANGO, "shop/settings.py": f"{SETTINGS}PORT = 0x{'f' * 4_000}\n"},
    "lists without end": {"package.json": "[" * 100_000, CI: workflow("      - run: npm run build\n")},
}  # fmt: skip


def apply(files: Mapping[str, str], root: Path) -> Plan:
    return planned(root, {path: text.encode() for path, text in files.items()}, all_rules())


@pytest.mark.parametrize("name", CASES)
def test_no_rule_fails_over_an_odd_file(name: str, tmp_path: Path) -> None:
    assert [(fault.rule_id, fault.what) for fault in apply(CASES[name], tmp_path).faults] == []


def test_what_is_empty_is_filled(tmp_path: Path) -> None:
    made = apply(CASES["with: {}"], tmp_path).files[CI].after.text

    assert "        with:\n          python-version:" in made
    assert "{}" not in made


def test_a_number_that_cannot_be_written_is_said_of_its_file(tmp_path: Path) -> None:
    (problem,) = apply(CASES["a number without end"], tmp_path).problems

    assert problem.path == "shop/settings.py"
    assert "4300 digits" in problem.reason
