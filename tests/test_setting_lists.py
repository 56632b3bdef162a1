"""INSTALLED_APPS and MIDDLEWARE: what Django sees, and where one more item goes."""

from __future__ import annotations

from pathlib import Path

import pytest

from fixer.django.project import DjangoProject
from fixer.django.setting_lists import SettingList
from fixer.model import Blocked, Source
from fixer.project.python_style import PythonStyles
from fixer.repository import Repository
from fixer.splice import splice
from fixer.verify import kept_promise
from tests.fixture_cases import write

SHORT = 'MIDDLEWARE = ["a.A", "b.B"]\n'
LONG = 'MIDDLEWARE = [\n    # outermost\n    "a.A",\n    "b.B",\n]\n'


def read(root: Path, name: str, **files: str) -> tuple[Repository, SettingList]:
    paths = {f"shop/{each}.py": text for each, text in files.items()}
    contents = {"manage.py": "import os\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings')\n", **paths}
    write(root, {path: text.encode() for path, text in contents.items()})
    repository = Repository(root)
    project = repository.fact(DjangoProject)
    assert project is not None
    return repository, SettingList.of(project, "shop/settings.py", name)


def with_(repository: Repository, found: SettingList, *items: str, front: bool = True) -> str | Blocked:
    styles = repository.fact(PythonStyles)
    assert styles is not None
    edits = found.prepend(items, styles, "why") if front else found.add(items[0], styles, ("shop",))
    if isinstance(edits, Blocked):
        return edits
    document = repository.document(edits[0].path)
    assert document is not None
    after = Source(document.source.path, splice(document.source.text, edits))
    kept_promise(document, edits, after)
    return after.text


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (SHORT, 'MIDDLEWARE = ["x.X", "y.Y", "a.A", "b.B"]\n'),
        (LONG, LONG.replace("[\n", '[\n    # why\n    "x.X",\n    "y.Y",\n')),
        (
            "MIDDLEWARE = ('a.Middleware', 'b.Middleware', 'c.Middleware', 'd.Middleware', 'e.Middle')\n",
            "MIDDLEWARE = (\n    # why\n    'x.X',\n    'y.Y',\n    'a.Middleware',\n    'b.Middleware',\n"
            "    'c.Middleware',\n    'd.Middleware',\n    'e.Middle',\n)\n",
        ),
        (SHORT + 'MIDDLEWARE += ["c.C"]\n', 'MIDDLEWARE = ["x.X", "y.Y", "a.A", "b.B"]\nMIDDLEWARE += ["c.C"]\n'),
        (
            SHORT + 'MIDDLEWARE = ["c.C"] + MIDDLEWARE\n',
            SHORT + 'MIDDLEWARE = ["x.X", "y.Y", "c.C"] + MIDDLEWARE\n',
        ),
        (
            SHORT + "if DEBUG:\n    MIDDLEWARE.insert(0, 'toolbar')\n",
            'MIDDLEWARE = ["x.X", "y.Y", "a.A", "b.B"]\nif DEBUG:\n    MIDDLEWARE.insert(0, \'toolbar\')\n',
        ),
    ],
)
def test_the_front_of_a_list(before: str, after: str, tmp_path: Path) -> None:
    repository, found = read(tmp_path, "MIDDLEWARE", settings=before)
    assert with_(repository, found, "x.X", "y.Y") == after


def test_split_settings_are_followed_in_their_order(tmp_path: Path) -> None:
    repository, found = read(
        tmp_path, "MIDDLEWARE", base=LONG, settings='from shop.base import *\nMIDDLEWARE = [*MIDDLEWARE, "c.C"]\n'
    )
    assert found.names == ("a.A", "b.B", "c.C")
    assert with_(repository, found, "x.X") == LONG.replace("[\n", '[\n    # why\n    "x.X",\n')
    repository, found = read(
        tmp_path / "again", "MIDDLEWARE", base=LONG, settings='from shop.base import *\nMIDDLEWARE = ["z.Z"]\n'
    )
    assert found.names == ("z.Z",)
    assert with_(repository, found, "x.X") == 'from shop.base import *\nMIDDLEWARE = ["x.X", "z.Z"]\n'


@pytest.mark.parametrize(
    ("before", "why"),
    [
        (SHORT + "MIDDLEWARE.insert(0, 'c.C')\n", "gets c.C put in front"),
        ("MIDDLEWARE = [m for m in ALL]\n", "is made at run time"),
        (SHORT + "if X:\n    MIDDLEWARE = ['c']\n", "is assigned again under a condition"),
        ("class Base:\n    MIDDLEWARE = ['c']\n", "is an attribute of a class"),
        ("INSTALLED_APPS = ['c']\n", "assigns MIDDLEWARE"),
    ],
)
def test_what_cannot_be_followed_blocks_and_says_where(before: str, why: str, tmp_path: Path) -> None:
    repository, found = read(tmp_path, "MIDDLEWARE", settings=before)
    blocked = with_(repository, found, "x.X")
    assert isinstance(blocked, Blocked)
    assert why in blocked.reason


def test_an_application_of_others_stands_before_the_projects_own(tmp_path: Path) -> None:
    apps = 'INSTALLED_APPS = [\n    "django.contrib.auth",\n    # ours\n    "shop",\n    "shop.cart",\n]\n'
    repository, found = read(tmp_path / "one", "INSTALLED_APPS", settings=apps)
    assert with_(repository, found, "other", front=False) == apps.replace('auth",\n', 'auth",\n    "other",\n')
    parts = 'DJANGO_APPS = ["django.contrib.auth"]\nTHIRD_PARTY_APPS = ["cors"]\nLOCAL_APPS = ["shop"]\n'
    total = parts + "INSTALLED_APPS = DJANGO_APPS + THIRD_PARTY_APPS + LOCAL_APPS\n"
    repository, found = read(tmp_path / "sum", "INSTALLED_APPS", settings=total)
    assert found.has("django.contrib.auth", "cors", "shop")
    assert with_(repository, found, "other", front=False) == total.replace('["cors"]', '["cors", "other"]')


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('MIDDLEWARE = ["a.A", "b.B", "c.C"]\n', 'MIDDLEWARE = ["a.A", "c.C", "b.B"]\n'),
        ('MIDDLEWARE = ("a.A", "b.B", "c.C", "d.D")\n', 'MIDDLEWARE = ("a.A", "c.C", "b.B", "d.D")\n'),
        ('C = "c.C"\nMIDDLEWARE = ["a.A", "b.B", C]\n', 'C = "c.C"\nMIDDLEWARE = ["a.A", C, "b.B"]\n'),
        ('MIDDLEWARE = ["c.C", "b.B", "a.A"]\n', 'MIDDLEWARE = ["a.A", "c.C", "b.B"]\n'),
        (
            'MIDDLEWARE = [\n    # seen\n    "a.A",\n    "b.B",\n\n    # seen\n    "c.C",\n\n'
            '    # last\n    "d.D",\n]\n',
            'MIDDLEWARE = [\n    # seen\n    "a.A",\n    "c.C",\n    "b.B",\n\n    # last\n    "d.D",\n]\n',
        ),
    ],
)
def test_an_item_moves_right_behind_another(before: str, after: str, tmp_path: Path) -> None:
    repository, found = read(tmp_path, "MIDDLEWARE", settings=before)
    edits = found.put_behind("c.C", "a.A")
    assert not isinstance(edits, Blocked)
    document = repository.document("shop/settings.py")
    assert document is not None
    changed = Source("shop/settings.py", splice(before, edits))
    assert changed.text == after
    assert not isinstance(kept_promise(document, edits, changed), str)


@pytest.mark.parametrize(
    "before",
    [
        'MIDDLEWARE = ["a.A", "b.B"]\nMIDDLEWARE += ["c.C"]\n',
        'MIDDLEWARE = "a.A", "b.B", "c.C"\n',
        'MIDDLEWARE = [\n    "a.A",\n    "b.B",\n    "c.C",  # last\n]\n',
        'MIDDLEWARE = [\n    "a.A",\n    "b.B",\n    # last\n    "c.C",\n]\n',
    ],
)
def test_an_item_stays_where_it_cannot_be_moved_whole(before: str, tmp_path: Path) -> None:
    _, found = read(tmp_path, "MIDDLEWARE", settings=before)
    assert isinstance(found.put_behind("c.C", "a.A"), Blocked)
