"""Task definitions of ECS that Terraform makes, on small repositories written here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fixer.docker.compose import Mount
from fixer.languages.hcl import Hcl, Literal, Other, Reference, Template
from fixer.model import Source
from fixer.repository import Repository
from fixer.runtime.picture import Runtime
from fixer.runtime.programs import Program
from tests.fixture_cases import write

DJANGO = {
    "manage.py": 'import os\nos.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")\n',
    "shop/__init__.py": "",
    "shop/settings.py": "SECRET_KEY = 'x'\n",
    "shop/wsgi.py": "from django.core.wsgi import get_wsgi_application\n"
    'os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")\n'
    "application = get_wsgi_application()\n",
    "Dockerfile": 'FROM python:3.13-slim\nWORKDIR /app\nCOPY . .\nCMD ["gunicorn", "shop.wsgi"]\n',
}


def picture(folder: Path, files: dict[str, str]) -> Runtime:
    found = Repository(write(folder, {**DJANGO, **files})).fact(Runtime)
    assert found is not None
    return found


def of_ecs(runtime: Runtime) -> list[Program]:
    return [each for each in runtime.programs if each.origin in ("ecs", "ecs task")]


def only(runtime: Runtime) -> Program:
    (found,) = of_ecs(runtime)
    return found


def sources(program: Program) -> list[str]:
    return [each.source for each in program.commands]


def task(definitions: str, name: str = "web") -> str:
    return f'resource "aws_ecs_task_definition" "{name}" {{\n  container_definitions = {definitions}\n}}\n'


LITERAL = """\
jsonencode([
    # what serves
    {
      name       = "shop"
      image      = "nowhere.example/shop:1"
      user       = "1000:1000"
      entryPoint = ["/bin/sh", "-c"]
      command    = ["python manage.py migrate && gunicorn shop.wsgi"]
      environment = [
        { name = "DJANGO_SETTINGS_MODULE", value = "shop.settings" },
        { name = "WORKERS", value = 4 },
        { name = "DEBUG", value = false },
      ]
      secrets      = [{ name = "DATABASE_URL", valueFrom = "arn:aws:ssm:eu-west-1:1:parameter/url" }]
      mountPoints  = [{ sourceVolume = "media", containerPath = "/app/media" }]
      portMappings = [{ containerPort = 8000 }]
    }
  ])"""


def test_a_literal_definition_is_read_as_one_in_json(tmp_path: Path) -> None:
    runtime = picture(tmp_path, {"infra/ecs.tf": task(LITERAL)})
    program = only(runtime)

    assert (program.name, program.image_name, program.user) == ("shop", "nowhere.example/shop:1", "1000:1000")
    assert program.place.line == 4
    assert sources(program) == ["python manage.py migrate", "gunicorn shop.wsgi"]
    assert program.environment.text("WORKERS") == "4"
    assert program.environment.text("DEBUG") == "false"
    assert program.environment.sets("DATABASE_URL")
    assert program.environment.text("DATABASE_URL") is None
    assert program.mounts == (Mount("media", "/app/media", bind=False, of_root=True),)
    assert program.ports == (8000,)
    assert program.settings == {"shop.settings"}
    assert program.unknown == ()
    assert runtime.unknown == ()
    assert [each.source for _, each in runtime.migrations_on_start("shop.settings")] == ["python manage.py migrate"]


PARTLY = """\
variable "extra" {
  default = []
}
variable "hosts" {
  default = "shop.example"
}
variable "command" {}
locals {
  name = "shop"
  environment = [
    { name = "ALLOWED_HOSTS", value = var.hosts },
    { name = "DB_HOST", value = aws_db_instance.main.address },
  ]
  flags = { CACHE = "redis", SEARCH = "${local.name}-search" }
}
"""


def test_locals_and_defaults_are_followed_and_the_rest_is_named(tmp_path: Path) -> None:
    definitions = """jsonencode([{
    name        = local.name
    image       = "${var.registry}/shop:${var.tag}"
    command     = ["gunicorn", "--workers=${var.workers}", "shop.wsgi"]
    environment = concat(local.environment, var.extra, [for key, value in local.flags : { name = key, value = value }])
  }])"""
    program = only(picture(tmp_path, {"ecs/main.tf": PARTLY + task(definitions)}))

    assert program.image is not None
    assert program.image_name == "$registry/shop:$tag"
    assert sources(program) == ["gunicorn '--workers=$workers' shop.wsgi"]
    assert [(each.text, each.open) for each in program.environment.of("ALLOWED_HOSTS")] == [("shop.example", True)]
    assert program.environment.text("DB_HOST") is None
    assert program.environment.text("CACHE") == "redis"
    assert program.environment.text("SEARCH") == "shop-search"
    assert program.unknown == ("ecs/main.tf:17: the variables of var.extra",)


@pytest.mark.parametrize(
    ("definitions", "unknown"),
    [
        ("var.definitions", "ecs/main.tf:2: the containers of web, which var.definitions defines"),
        (
            "jsonencode(module.web.containers)",
            "ecs/main.tf:2: the containers of web, which module.web.containers defines",
        ),
        (
            'file("${path.module}/gone.json")',
            "ecs/main.tf:2: the containers of web, which the file ./gone.json defines",
        ),
        ('"no list"', "ecs/main.tf:2: the containers of web, which a text defines"),
        ("jsonencode([local.web])", "ecs/main.tf:2: the containers of web, which local.web defines"),
    ],
)
def test_a_definition_that_is_not_literal_is_named(tmp_path: Path, definitions: str, unknown: str) -> None:
    runtime = picture(tmp_path, {"ecs/main.tf": task(definitions)})

    assert of_ecs(runtime) == []
    assert runtime.unknown == (unknown,)


def test_a_command_that_is_not_literal_starts_nothing_that_is_known(tmp_path: Path) -> None:
    definitions = 'jsonencode([{ name = "web", image = "${var.image}", command = var.command }])'
    program = only(picture(tmp_path, {"ecs/main.tf": PARTLY + task(definitions)}))

    assert program.image is not None
    assert program.commands == ()
    assert program.unfollowed == ("ecs/main.tf:17: the command, which var.command says",)


def test_options_of_an_image_that_is_not_built_here_start_nothing_that_is_known(tmp_path: Path) -> None:
    definitions = 'jsonencode([{ name = "web", image = "acme/web", command = ["--bind=:8000", "shop.wsgi"] }])'
    program = only(picture(tmp_path, {"ecs/main.tf": task(definitions)}))

    assert program.commands == ()
    assert program.unfollowed == ("web: what its image starts",)


TEMPLATE = """\
[
  {
    "name": "web",
    "image": "${image}",
    "cpu": ${cpu},
    "command": ["gunicorn", "shop.wsgi"],
    "environment": [
      {"name": "DJANGO_SETTINGS_MODULE", "value": "${settings}"},
      {"name": "TOKEN", "value": "${token}"}
    ]
  }
]
"""


@pytest.mark.parametrize(
    "definitions",
    [
        'templatefile("${path.module}/tasks/web.json.tftpl", { image = var.image, cpu = 256, settings = "shop.live",'
        ' token = var.prefix != "" ? "a" : "b" })',
        "data.template_file.web.rendered",
        '"${data.template_file.web.rendered}"',
    ],
)
def test_a_template_of_the_repository_is_filled_in(tmp_path: Path, definitions: str) -> None:
    data = """data "template_file" "web" {
  template = file("tasks/web.json.tftpl")
  vars = {
    image    = aws_ecr_repository.web.repository_url
    cpu      = var.cpu
    settings = "shop.live"
    token    = random_id.token.hex
  }
}
"""
    files = {"ecs/main.tf": task(definitions) + data, "ecs/tasks/web.json.tftpl": TEMPLATE}
    program = only(picture(tmp_path, files))

    assert (program.place.path, program.place.line) == ("ecs/tasks/web.json.tftpl", 2)
    assert program.settings == {"shop.live"}
    assert program.environment.text("TOKEN") is None
    assert program.unknown == ()


def test_a_here_document_keeps_its_lines(tmp_path: Path) -> None:
    text = """<<-TASK
  [
    {"name": "web", "image": "acme/web:${var.tag}", "command": ["celery", "-A", "shop", "worker"]}
  ]
  TASK"""
    program = only(picture(tmp_path, {"ecs/main.tf": task(text)}))

    assert program.place.line == 4
    assert sources(program) == ["celery -A shop worker"]


def test_a_module_is_told_by_its_only_caller(tmp_path: Path) -> None:
    module = 'variable "command" {\n  default = null\n}\nvariable "image" {}\n' + task(
        'jsonencode([{ name = "web", image = var.image, command = var.command }])'
    )
    call = """module "web" {
  source  = "../modules/web"
  image   = "acme/web"
  command = ["gunicorn", "shop.wsgi"]
}
"""
    program = only(picture(tmp_path, {"modules/web/main.tf": module, "live/main.tf": call}))

    assert sources(program) == ["gunicorn shop.wsgi"]
    assert program.image_name == "acme/web"


def test_two_callers_of_a_module_are_not_told_apart(tmp_path: Path) -> None:
    module = 'variable "command" {}\n' + task('jsonencode([{ name = "web", image = "a/b", command = var.command }])')
    call = 'module "{}" {{\n  source  = "../modules/web"\n  command = ["gunicorn", "shop.wsgi"]\n}}\n'
    files = {"modules/web/main.tf": module, "live/main.tf": call.format("a") + call.format("b")}

    assert only(picture(tmp_path, files)).commands == ()


def test_files_of_values_win_over_defaults(tmp_path: Path) -> None:
    files = {
        "ecs/main.tf": 'variable "settings" {\n  default = "shop.dev"\n}\n'
        + task(
            'jsonencode([{ name = "web", image = "a/b", environment = [{ name = "DJANGO_SETTINGS_MODULE",'
            " value = var.settings }] }])"
        ),
        "ecs/terraform.tfvars": 'settings = "shop.live"\n',
    }
    assert only(picture(tmp_path, files)).environment.text("DJANGO_SETTINGS_MODULE") == "shop.live"


def test_a_task_that_no_service_keeps_does_not_migrate_on_start(tmp_path: Path) -> None:
    migrate = task(
        'jsonencode([{ name = "m", image = "${var.i}", command = ["python", "manage.py", "migrate"] }])', "m"
    )
    web = task('jsonencode([{ name = "web", image = "${var.i}" }])')
    service = 'resource "aws_ecs_service" "web" {\n  task_definition = aws_ecs_task_definition.web.arn\n}\n'
    runtime = picture(tmp_path, {"ecs/main.tf": migrate + web + service})

    assert [(each.name, each.origin) for each in of_ecs(runtime)] == [("m", "ecs task"), ("web", "ecs")]
    assert runtime.migrations_on_start() == ()


@pytest.mark.parametrize(
    ("commands", "once"),
    [
        ([["python", "manage.py", "migrate"]], True),
        ([["python", "manage.py", "migrate"], ["gunicorn", "shop.wsgi"]], False),
        ([["sh", "-c", "python manage.py migrate && exec gunicorn shop.wsgi"]], False),
        ([["sh", "-c", "python manage.py check && python manage.py migrate"]], True),
    ],
)
def test_a_task_that_ends_when_it_has_migrated_is_kept_by_no_service(
    tmp_path: Path, commands: list[list[str]], once: bool
) -> None:
    containers = [{"name": f"c{at}", "image": "acme/shop", "command": each} for at, each in enumerate(commands)]
    files = {"ecs/task-definition.json": json.dumps({"containerDefinitions": containers})}
    runtime = picture(tmp_path, files)

    assert {each.origin for each in of_ecs(runtime)} == {"ecs task" if once else "ecs"}
    assert (runtime.migrations_on_start() == ()) is once


@pytest.mark.parametrize(
    ("repository", "reference"),
    [
        (
            'resource "aws_ecr_repository" "web" {\n  name = "web"\n}\n',
            "${aws_ecr_repository.web.repository_url}:latest",
        ),
        ("", "${var.account}.dkr.ecr.${var.region}.amazonaws.com/web:${var.tag}"),
    ],
)
def test_a_name_in_any_registry_leads_to_what_a_workflow_pushes_there(
    tmp_path: Path, repository: str, reference: str
) -> None:
    push = """on: push
jobs:
  build:
    runs-on: ubuntu-latest
    steps:
      - run: docker build -t ${{ env.REGISTRY }}/web:latest --push .
      - run: docker build -t ${{ env.REGISTRY }}/proxy:latest --push proxy
"""
    files = {
        ".github/workflows/build.yml": push,
        "proxy/Dockerfile": "FROM nginx:1.29\n",
        "ecs/main.tf": repository + task(f'jsonencode([{{ name = "web", image = "{reference}" }}])'),
    }
    program = only(picture(tmp_path, files))

    assert program.image is not None
    assert program.image.path == "Dockerfile"


@pytest.mark.parametrize(("command", "found"), [('["gunicorn", "shop.wsgi"]', True), ('["nginx"]', False)])
def test_of_two_images_the_one_with_the_project_starts_it(tmp_path: Path, command: str, found: bool) -> None:
    image = 'replace("${aws_ecr_repository.web.repository_url}:1", "https://", "")'
    files = {
        "proxy/Dockerfile": "FROM nginx:1.29\n",
        "ecs/main.tf": task(f'jsonencode([{{ name = "web", image = {image}, command = {command} }}])'),
    }
    program = only(picture(tmp_path, files))

    assert program.image_name == "$repository_url:1"
    assert (program.image is not None and program.image.path == "Dockerfile") is found


def test_references_that_go_round_in_a_circle_come_to_an_end(tmp_path: Path) -> None:
    files = {"ecs/main.tf": "locals {\n  a = local.b\n  b = local.a\n}\n" + task("jsonencode(local.a)")}
    runtime = picture(tmp_path, files)

    assert of_ecs(runtime) == []
    assert len(runtime.unknown) == 1


def test_modules_that_call_each_other_come_to_an_end(tmp_path: Path) -> None:
    declared = 'variable "image" {}\n'
    call = 'module "other" {{\n  source = "../{}"\n  image  = var.image\n}}\n'
    program = only(
        picture(
            tmp_path,
            {
                "infra/one/main.tf": declared
                + call.format("two")
                + task('jsonencode([{ name = "a", image = var.image }])'),
                "infra/two/main.tf": declared + call.format("one"),
            },
        )
    )

    assert program.image_name == "$image"


@pytest.mark.parametrize("text", ["", "x", "resource {", task("jsonencode([1, null, [], {}])"), task("jsonencode({})")])
def test_odd_files_start_nothing(tmp_path: Path, text: str) -> None:
    assert of_ecs(picture(tmp_path, {"ecs/main.tf": text + "# container_definitions\n"})) == []


def test_expressions_say_what_is_written() -> None:
    text = (
        'a = "x-${var.y}"\nb = "a \\"b\\" $${c} \\u00e9"\nc = local.m["k"].n[0]\nd = 1 + 2\n'
        "e = <<E\nä ${x}\nE\nf = local.m[*].n\n"
    )
    found = Hcl.parse(Source("a.tf", text)).expressions

    assert isinstance(found["a"], Template)
    assert [type(each) for each in found["a"].parts] == [Literal, Reference]
    assert isinstance(found["b"], Literal)
    assert found["b"].value == 'a "b" ${c} é'
    assert isinstance(found["c"], Reference)
    assert found["c"].path == ("local", "m", "k", "n", "0")
    assert isinstance(found["d"], Other)
    assert isinstance(found["e"], Template)
    assert isinstance(found["e"].parts[0], Literal)
    assert found["e"].parts[0].value == "ä "
    assert isinstance(found["f"], Other)
