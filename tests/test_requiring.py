"""One more package, asked for in the style of the file that asks for the others; lock files are never written."""

from __future__ import annotations

from pathlib import Path

import pytest

from fixer.model import Blocked
from fixer.project.requiring import Release, Requiring
from fixer.repository import Repository
from fixer.splice import splice
from fixer.verify import kept_promise
from tests.fixture_cases import write

ANY = Release("2.5.0")
BOUND = Release("2.4.0", ("2.4.1",), "2.5.0")


def asked(root: Path, files: dict[str, str], release: Release = ANY) -> str | Blocked:
    """The text of the one file that changes, read again as fhfix does; or why there is none."""
    write(root, {path: text.encode() for path, text in files.items()})
    repository = Repository(root)
    requiring = repository.fact(Requiring)
    assert requiring is not None
    edits = requiring.add("django-prometheus", release, "django", "shop/settings.py", "Monitoring")
    if isinstance(edits, Blocked):
        return edits
    if not edits:
        return ""
    document = repository.document(edits[0].path)
    assert document is not None
    after = type(document.source)(document.source.path, splice(document.source.text, edits))
    kept_promise(document, edits, after)
    return after.text


@pytest.mark.parametrize(
    ("before", "release", "line"),
    [
        ("Django==5.2.1\n", ANY, "django-prometheus==2.5.0"),
        ("Django>=4.2,<5\n", ANY, "django-prometheus>=2.5.0"),
        ("Django~=5.2\n", ANY, "django-prometheus~=2.5.0"),
        ("Django\n", ANY, "django-prometheus>=2.5.0"),
        ("Django>=6.1\n", BOUND, "django-prometheus>=2.4.0,!=2.4.1,<2.5.0"),
        ("Django==6.1.3\n", BOUND, "django-prometheus==2.4.0"),
        ("Django~=6.1\n", BOUND, "django-prometheus>=2.4.0,!=2.4.1,<2.5.0"),
    ],
)
def test_the_line_has_the_pin_style_of_django(before: str, release: Release, line: str, tmp_path: Path) -> None:
    assert asked(tmp_path, {"requirements.txt": before}, release) == f"{before}{line}\n"


def test_a_sorted_file_stays_sorted_and_one_with_headings_gets_another(tmp_path: Path) -> None:
    ordered = "boto3==1\nDjango==5.2\ngunicorn==23\n"
    found = asked(tmp_path / "a", {"requirements.txt": ordered})
    assert found == "boto3==1\nDjango==5.2\ndjango-prometheus==2.5.0\ngunicorn==23\n"
    headed = "# Web\nDjango>=5\n\n# Server\ngunicorn>=23\n\n# Data\npsycopg>=3\n"
    found = asked(tmp_path / "b", {"requirements.txt": headed})
    assert found == headed + "\n# Monitoring\ndjango-prometheus>=2.5.0\n"


def test_the_file_that_is_included_is_the_one_that_changes(tmp_path: Path) -> None:
    files = {"requirements/base.txt": "Django>=5\n", "requirements/production.txt": "-r base.txt\ngunicorn\n"}
    assert asked(tmp_path, files) == "Django>=5\ndjango-prometheus>=2.5.0\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            '[project]\nname = "x"\ndependencies = [\n    "Django>=5",  # web\n    "requests",\n]\n',
            '    "Django>=5",  # web\n    "django-prometheus>=2.5.0",\n    "requests",\n]\n',
        ),
        (
            "[project]\nname = 'x'\ndependencies = [\n  'requests',\n  'Django>=5' # web\n]\n",
            "  'Django>=5', # web\n  'django-prometheus>=2.5.0'\n]\n",
        ),
        (
            '[project]\ndependencies = ["requests", "Django==5.2"]\n',
            'dependencies = ["requests", "Django==5.2", "django-prometheus==2.5.0"]\n',
        ),
        (
            '[tool.poetry.dependencies]\npython = "^3.12"\nDjango = "^5.2"\n',
            'Django = "^5.2"\ndjango-prometheus = "^2.5.0"\n',
        ),
        (
            '[tool.poetry.dependencies]\ndjango = {version = "5.2", extras = ["argon2"]}\n',
            'extras = ["argon2"]}\ndjango-prometheus = "2.5.0"\n',
        ),
        (
            '[tool.poetry.dependencies]\ndjango = ">=4.2,<5"\n',
            'django = ">=4.2,<5"\ndjango-prometheus = ">=2.5.0"\n',
        ),
    ],
)
def test_pyproject_in_its_own_table_style(before: str, after: str, tmp_path: Path) -> None:
    found = asked(tmp_path, {"pyproject.toml": before})
    assert isinstance(found, str)
    assert found.endswith(after)


def test_setup_cfg_and_pipfile(tmp_path: Path) -> None:
    cfg = "[metadata]\nname = x\n\n[options]\ninstall_requires =\n    Django>=5\n    requests\n\n[flake8]\nselect = E\n"
    found = asked(tmp_path / "a", {"setup.cfg": cfg})
    assert found == cfg.replace("    requests", "    django-prometheus>=2.5.0\n    requests")
    found = asked(tmp_path / "b", {"Pipfile": '[packages]\ndjango = "==5.2"\n'})
    assert found == '[packages]\ndjango = "==5.2"\ndjango-prometheus = "==2.5.0"\n'


def test_what_is_asked_for_already_is_not_asked_for_twice(tmp_path: Path) -> None:
    assert asked(tmp_path, {"requirements.txt": "Django>=5\ndjango_prometheus\n"}) == ""


@pytest.mark.parametrize(
    ("files", "command"),
    [
        ({"pyproject.toml": '[project]\ndependencies = ["django>=5"]\n', "uv.lock": "version = 1\n"}, "uv add '"),
        ({"pyproject.toml": '[tool.poetry.dependencies]\ndjango = "^5"\n', "poetry.lock": "#\n"}, "poetry add '"),
        ({"Pipfile": '[packages]\ndjango = "*"\n', "Pipfile.lock": "{}"}, "pipenv install '"),
        ({"requirements.txt": "django==5.2 \\\n    --hash=sha256:00\n"}, "pip-compile"),
        ({"requirements.txt": "#\n# This file is autogenerated by pip-compile\n#\ndjango==5.2\n"}, "pip-compile"),
        ({"requirements.in": "django\n", "requirements.txt": "django==5.2\n"}, "requirements.in"),
        ({"requirements.in": "django\n", "requirements.txt": "asgiref==3.9\n"}, "run `pip-compile`"),
    ],
)
def test_a_lock_file_blocks_with_the_command_to_run(files: dict[str, str], command: str, tmp_path: Path) -> None:
    found = asked(tmp_path, files)
    assert isinstance(found, Blocked)
    assert command in found.next_step
    assert "django-prometheus>=2.5.0" in found.next_step


def test_a_list_that_is_not_utf_8_is_named(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_bytes("# für\ndjango==5.2\n".encode("latin-1"))

    found = asked(tmp_path, {"dev-requirements.txt": "pytest\n"})

    assert isinstance(found, Blocked)
    assert found.reason.startswith("requirements.txt cannot be read: ")


def test_a_list_in_utf_16_is_read_and_not_edited(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_bytes("django==5.2\r\n".encode("utf-16"))

    found = asked(tmp_path, {"dev-requirements.txt": "pytest\n"})

    assert isinstance(found, Blocked)
    assert found.reason == "requirements.txt cannot be edited: not UTF-8, but UTF-16"


@pytest.mark.parametrize("bringing", ["djangorestframework==3.15.2", "wagtail>=6.0,<7", "django-allauth~=65.0"])
def test_what_brings_django_stands_for_it(bringing: str, tmp_path: Path) -> None:
    before = f"gunicorn==23.0\n{bringing}\n"
    found = asked(tmp_path, {"requirements.txt": before})
    assert isinstance(found, str)
    assert "django-prometheus" in found.replace(bringing, "")


def test_what_only_reads_the_environment_brings_no_django(tmp_path: Path) -> None:
    found = asked(tmp_path, {"requirements.txt": "django-environ==0.11\ngunicorn==23.0\n"})
    assert isinstance(found, Blocked)
    assert "ask for django" in found.reason


def test_a_package_that_brings_django_is_locked_as_django_would_be(tmp_path: Path) -> None:
    project = '[project]\nname = "shop"\nversion = "1"\ndependencies = ["wagtail"]\n'
    lock = (
        'version = 1\n\n[[package]]\nname = "django"\nversion = "5.2"\n\n[[package]]\nname = "wagtail"\nversion = "6"\n'
    )
    found = asked(tmp_path, {"pyproject.toml": project, "uv.lock": lock})
    assert isinstance(found, Blocked)
    assert "uv add" in found.next_step


def test_a_list_in_a_folder_above_asks_for_it_too(tmp_path: Path) -> None:
    files = {"requirements.txt": "celery==5.4\nDjango==5.2\n", "shop/requirements.txt": "Django==5.2\n"}
    write(tmp_path, {path: text.encode() for path, text in files.items()})
    requiring = Repository(tmp_path).fact(Requiring)
    assert requiring is not None
    edits = requiring.add("django-prometheus", ANY, "django", "shop/core/settings.py")
    assert not isinstance(edits, Blocked)
    assert sorted(each.path for each in edits) == ["requirements.txt", "shop/requirements.txt"]


def test_the_only_list_speaks_for_the_whole_repository(tmp_path: Path) -> None:
    found = asked(tmp_path, {"docker/requirements.txt": "Django==5.2\ngunicorn==23\n"})
    assert found == "Django==5.2\ndjango-prometheus==2.5.0\ngunicorn==23\n"


def test_a_list_that_is_compiled_is_said_to_be_made_from_another(tmp_path: Path) -> None:
    compiled = (
        "# This file was autogenerated by uv via the following command:\n#    uv pip compile setup.py\nDjango==5.2\n"
    )
    found = asked(tmp_path, {"requirements-dev.txt": compiled, "requirements.txt": compiled, "setup.py": "Django\n"})
    assert isinstance(found, Blocked)
    assert found.reason.startswith("requirements.txt cannot be edited: generated")
    assert "make it again" in found.next_step
