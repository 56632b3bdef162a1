"""What `fixer/django/drift.py` says of models and migrations, beside what Django itself says of them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from fixer.django.drift import ModelDrift
from fixer.repository import Repository
from tests.fixture_cases import write

SETTINGS = """
SECRET_KEY = "only-here"
INSTALLED_APPS = ["orders"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
"""
MANAGE = """
import os
import sys

from django.core.management import execute_from_command_line

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
execute_from_command_line(sys.argv)
"""
MODELS = """
from django.db import models


class Customer(models.Model):
    name = models.CharField("who it is", max_length=80, unique=True)

    class Meta:
        ordering = ["name"]


class Order(models.Model):
    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="orders")
    note = models.TextField(blank=True, default="")
    changed = models.DateTimeField(auto_now=True)

    class Meta:
        indexes = [models.Index(fields=["changed"]), models.Index(fields=["note"], name="by_note")]
"""
ID = '("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"))'
FIRST = f"""
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    operations = [
        migrations.CreateModel(
            name="Client",
            fields=[{ID}, ("title", models.CharField(max_length=80))],
        ),
        migrations.CreateModel(
            name="Order",
            fields=[
                {ID},
                ("note", models.TextField(blank=True)),
                ("changed", models.DateTimeField(auto_now=True)),
                ("gone", models.IntegerField()),
            ],
            options={{"indexes": [models.Index(fields=["note"], name="note_first")]}},
        ),
    ]
"""
SECOND = """
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("orders", "0001_initial")]
    operations = [
        migrations.RenameModel("Client", "Customer"),
        migrations.RenameField("Customer", "title", "name"),
        migrations.AlterField(
            "Customer", "name", models.CharField(max_length=80, unique=True, verbose_name="who it is")
        ),
        migrations.AlterModelOptions("Customer", {"ordering": ["name"]}),
        migrations.RemoveField("Order", "gone"),
        migrations.AddField(
            "Order",
            "customer",
            models.ForeignKey(
                default=1, on_delete=django.db.models.deletion.CASCADE, related_name="orders", to="orders.customer"
            ),
            preserve_default=False,
        ),
        migrations.AlterField("Order", "note", models.TextField(blank=True, default="")),
        migrations.RenameIndex("Order", new_name="by_note", old_name="note_first"),
        migrations.AddIndex("Order", models.Index(fields=["changed"], name="orders_orde_changed_2afa86_idx")),
        migrations.RunPython(migrations.RunPython.noop),
    ]
"""


def drift(root: Path, models: str, *migrations: str, apps: str = "") -> str:
    files = {
        "manage.py": MANAGE,
        "requirements.txt": "django>=4.2\n",
        "shop/__init__.py": "",
        "shop/settings.py": SETTINGS,
        "orders/__init__.py": "",
        "orders/apps.py": apps,
        "orders/models.py": models,
        "orders/migrations/__init__.py": "",
    }
    names = ("0001_initial", "0002_second")
    files |= {f"orders/migrations/{name}.py": text for name, text in zip(names, migrations, strict=True)}
    write(root, {path: text.lstrip("\n") for path, text in files.items()})
    found = Repository(root).fact(ModelDrift)
    assert found is not None
    return found.first


def django_finds(root: Path) -> str:
    """What `makemigrations --check` would make; empty where nothing is missing."""
    made = subprocess.run(
        [sys.executable, "manage.py", "makemigrations", "--check", "--dry-run"],
        cwd=root,
        capture_output=True,
        text=True,
    )
    assert made.returncode == (1 if "Migrations for" in made.stdout else 0), made.stderr
    return made.stdout if made.returncode else ""


@pytest.mark.needs("django")
def test_models_that_are_what_their_migrations_leave_have_not_drifted(tmp_path: Path) -> None:
    assert drift(tmp_path, MODELS, FIRST, SECOND) == ""
    assert django_finds(tmp_path) == ""


CHANGED = [
    (
        "    note = models.TextField(",
        "    paid = models.BooleanField(default=False)\n    note = models.TextField(",
        "paid",
    ),
    ("models.ForeignKey(Customer", "models.OneToOneField(Customer", "customer"),
    ("max_length=80, unique=True", "max_length=81, unique=True", "max_length"),
    ("max_length=80, unique=True", "max_length=80", "unique"),
    ('"who it is", ', "", "verbose_name"),
    ('default=""', 'default="none"', "default"),
    ('    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="orders")\n', "", "customer"),
    ('ordering = ["name"]', 'verbose_name_plural = "everyone"', "ordering"),
    ('name="by_note"', 'name="by_notes"', "by_note"),
    ("class Order(", "class Bill(models.Model):\n    pass\n\n\nclass Order(", "Bill"),
]


@pytest.mark.needs("django")
@pytest.mark.parametrize(("old", "new", "named"), CHANGED)
def test_a_model_that_went_ahead_of_its_migrations_is_named(old: str, new: str, named: str, tmp_path: Path) -> None:
    assert MODELS.count(old) == 1

    assert named in drift(tmp_path, MODELS.replace(old, new), FIRST, SECOND)

    assert django_finds(tmp_path) != ""


@pytest.mark.needs("django")
@pytest.mark.parametrize(
    ("old", "new"),
    [(', verbose_name="ID"', ""), ("BigAutoField", "AutoField")],
)
def test_a_primary_key_that_a_migration_makes_otherwise_is_named(old: str, new: str, tmp_path: Path) -> None:
    assert "primary key" in drift(tmp_path, MODELS, FIRST.replace(old, new), SECOND)

    assert django_finds(tmp_path) != ""


def annotated(text: str) -> str:
    """The same, where every assignment in a class says what it holds."""
    return re.sub(r"^( +\w+) = ", r"\1: object = ", text, flags=re.MULTILINE)


@pytest.mark.needs("django")
def test_annotated_models_that_are_what_their_migrations_leave_have_not_drifted(tmp_path: Path) -> None:
    assert "customer: object = models." in annotated(MODELS)
    assert "operations: object = [" in annotated(SECOND)

    assert drift(tmp_path, annotated(MODELS), annotated(FIRST), annotated(SECOND)) == ""
    assert django_finds(tmp_path) == ""


@pytest.mark.needs("django")
@pytest.mark.parametrize(("old", "new", "named"), CHANGED)
def test_an_annotated_model_that_went_ahead_is_named(old: str, new: str, named: str, tmp_path: Path) -> None:
    assert named in drift(tmp_path, annotated(MODELS.replace(old, new)), FIRST, SECOND)

    assert django_finds(tmp_path) != ""


@pytest.mark.needs("django")
def test_a_configuration_may_annotate_the_class_of_its_keys(tmp_path: Path) -> None:
    apps = """
from django.apps import AppConfig


class Orders(AppConfig):
    name: str = "orders"
    default_auto_field: str = "django.db.models.AutoField"
"""

    assert "primary key" in drift(tmp_path, MODELS, FIRST, SECOND, apps=apps)

    assert django_finds(tmp_path) != ""


@pytest.mark.needs("django")
def test_of_operations_that_it_does_not_know_nothing_is_said(tmp_path: Path) -> None:
    own = SECOND.replace(
        "class Migration(",
        "class Renamed(migrations.RenameField):\n    pass\n\n\nclass Migration(",
    ).replace("migrations.RenameField(", "Renamed(")

    assert own.count("Renamed(") == 2
    assert drift(tmp_path, MODELS, FIRST, own) == ""
    assert django_finds(tmp_path) == ""
