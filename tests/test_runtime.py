"""The picture of what runs where, on small repositories written here."""

from __future__ import annotations

from pathlib import Path

import pytest

from fixer.docker.compose import Mount
from fixer.languages.makefile import targets
from fixer.model import Blocked, Edit, Parts, Source
from fixer.repository import Repository
from fixer.runtime.picture import Runtime
from fixer.runtime.programs import Kind, Program
from fixer.splice import splice
from tests.fixture_cases import write

MANAGE = 'import os\nos.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")\n'


def picture(folder: Path, files: dict[str, str]) -> Runtime:
    found = Repository(write(folder, files)).fact(Runtime)
    assert found is not None
    return found


def program(runtime: Runtime, name: str, origin: str = "compose") -> Program:
    (found,) = (each for each in runtime.programs if each.name == name and each.origin == origin)
    return found


def sources(program: Program) -> list[str]:
    return [each.source for each in program.commands]


def written(folder: Path, parts: Parts) -> str:
    assert not isinstance(parts, Blocked), parts
    edit = parts[0]
    assert isinstance(edit, Edit)
    source = Source.from_bytes(edit.path, (folder / edit.path).read_bytes())
    return splice(source.text, parts)


DOCKERFILE = """\
FROM python:3.12-slim AS build
WORKDIR /src
COPY docker/entrypoint.sh /entrypoint.sh

FROM python:3.12-slim
ENV DJANGO_SETTINGS_MODULE=shop.settings DB_PORT=5432
WORKDIR /app
COPY --from=build /entrypoint.sh /entrypoint.sh
COPY . .
ENTRYPOINT ["/entrypoint.sh"]
CMD ["gunicorn", "shop.wsgi"]
"""
ENTRYPOINT = '#!/bin/sh\nset -e\npython manage.py migrate --noinput\nexec "$@"\n'


def shop(**files: str) -> dict[str, str]:
    return {
        "Dockerfile": DOCKERFILE,
        "docker/entrypoint.sh": ENTRYPOINT,
        "manage.py": MANAGE,
        "shop/wsgi.py": MANAGE,
        **files,
    }


def test_a_service_runs_what_its_image_says_after_following_the_entrypoint_of_another_stage(tmp_path: Path) -> None:
    compose = "services:\n  web:\n    build: .\n    environment: {DB_HOST: db}\n  db:\n    image: postgres:16\n"
    runtime = picture(tmp_path, shop(**{"compose.yml": compose}))
    web = program(runtime, "web")

    assert sources(web)[1:] == ["python manage.py migrate --noinput", "gunicorn shop.wsgi"]
    assert [(m.path, m.line) for m in web.migrations] == [("docker/entrypoint.sh", 3)]
    assert web.settings == {"shop.settings"}
    assert [(s.name, s.speaks_tls, s.local) for s in web.databases()] == [("db", False, True)]
    assert web.environment.text("DB_PORT") == "5432"
    assert [program.name for program, _ in runtime.migrations_on_start("shop.settings")] == ["web", "Dockerfile"]


def test_an_entrypoint_is_found_on_the_path_to_which_it_was_copied(tmp_path: Path) -> None:
    image = (
        'FROM python:3.12\nWORKDIR /app\nCOPY src .\nCOPY docker/{0}/start.sh /usr/local/bin\nENTRYPOINT ["start.sh"]\n'
    )
    files = {f"docker/{name}/Dockerfile": image.format(name) for name in ("web", "work")}
    files |= {f"docker/{name}/start.sh": f"#!/bin/sh\nexec serve {name}\n" for name in ("web", "work")}
    compose = "services:\n  web:\n    build: {context: ., dockerfile: docker/web/Dockerfile}\n"
    web = program(picture(tmp_path, files | {"src/start.txt": "", "compose.yml": compose}), "web")

    assert sources(web) == ["exec serve web"]
    assert not web.unknown


def test_a_command_of_a_script_can_be_given_a_variable_of_its_own(tmp_path: Path) -> None:
    compose = "services:\n  web:\n    build: .\n    command: sh -c 'python manage.py migrate && gunicorn shop.wsgi'\n"
    runtime = picture(tmp_path, shop(**{"compose.yml": compose}))
    script, inline = program(runtime, "web").migrations

    assert written(tmp_path, script.given("LIMIT", "0")) == ENTRYPOINT.replace("python", "LIMIT=0 python")
    assert written(tmp_path, inline.given("LIMIT", "0")) == compose.replace("python", "LIMIT=0 python")
    assert isinstance(script.given("LIMIT", "a b"), Blocked)


def test_an_entrypoint_that_is_a_shell_and_a_command_that_is_its_script_are_one_command(tmp_path: Path) -> None:
    service = "services:\n  web:\n    build: .\n    entrypoint: sh\n    command: {}\n"
    for command in ("-c 'python manage.py migrate && gunicorn shop.wsgi'", '["-c", "gunicorn shop.wsgi --bind :80"]'):
        web = program(picture(tmp_path, shop(**{"compose.yml": service.format(command)})), "web")

        assert [(each.path, each.line) for each in web.commands] == [("compose.yml", 4)] * len(web.commands)
        assert "gunicorn shop.wsgi" in web.commands[-1].source
        assert isinstance(web.commands[-1].given("LIMIT", "0"), Blocked)


def test_anchors_extends_env_files_and_overlays_are_one_service(tmp_path: Path) -> None:
    files = {
        "compose.yml": """\
x-django: &django
  environment: &env
    DB_HOST: ${DB_HOST:-db}
services:
  web:
    <<: *django
    build: .
    env_file: [.env.web, .env]
  worker:
    extends: {file: common.yml, service: worker}
    environment:
      <<: *env
      OWN: "1"
  db:
    image: postgres:16
""",
        "common.yml": "services:\n  worker:\n    build: .\n    command: celery -A shop worker\n",
        "compose.prod.yml": "services:\n  web:\n    environment: [TLS=no]\n",
        ".env.web": "SECRET=x\nDB_HOST=elsewhere\n",
    }
    runtime = picture(tmp_path, shop(**files))
    overlay, web = (each for each in runtime.programs if each.name == "web")
    worker = program(runtime, "worker")

    assert [v.text for v in web.environment.of("DB_HOST")] == ["db", "elsewhere"]
    assert web.unknown == ("compose.yml:5: .env, which is not in the repository",)
    assert overlay.environment.text("TLS") == "no"
    assert overlay.environment.text("SECRET") == "x"
    assert sources(worker)[-1] == "celery -A shop worker"
    assert worker.environment.text("DB_HOST") == "db"
    holders = runtime.lacking("DB_SSLMODE", (web, worker, overlay))
    assert [holder.place.path for _, holder in holders] == ["compose.yml", "compose.yml", "compose.prod.yml"]
    assert "    DB_HOST: ${DB_HOST:-db}\n    DB_SSLMODE: prefer\n" in written(
        tmp_path, web.environment.add("DB_SSLMODE", "prefer")
    )


def test_what_a_service_says_itself_hides_what_it_takes_over(tmp_path: Path) -> None:
    compose = """\
services:
  web: &web
    build: .
    environment: {DB_HOST: db, SECRET: x}
    volumes: [".:/app", "data:/data"]
  worker:
    <<: *web
    environment: {DB_HOST: other}
    volumes: []
    command: celery -A shop worker
"""
    runtime = picture(tmp_path, shop(**{"compose.yml": compose}))
    web, worker = program(runtime, "web"), program(runtime, "worker")

    assert [mount.target for mount in web.mounts] == ["/app", "/data"]
    assert worker.mounts == ()
    assert worker.image is web.image is not None
    assert [value.text for value in worker.environment.of("DB_HOST")] == ["other"]
    assert not worker.environment.sets("SECRET")


def test_a_published_image_leads_back_to_its_dockerfile(tmp_path: Path) -> None:
    files = {
        ".github/workflows/image.yml": """\
on: push
env: {REGISTRY: ghcr.io, NAME: acme/shop}
jobs:
  image:
    runs-on: ubuntu-latest
    steps:
      - uses: docker/metadata-action@v5
        id: meta
        with:
          images: ${{ env.REGISTRY }}/${{ env.NAME }}
      - uses: docker/build-push-action@v6
        with:
          context: .
          tags: ${{ steps.meta.outputs.tags }}
""",
        "deploy/compose.yml": "services:\n  web:\n    image: ghcr.io/acme/shop:${T}\n    volumes: [data:/app/media]\n",
    }
    web = program(picture(tmp_path, shop(**files)), "web")

    assert web.image is not None
    assert web.image.path == "Dockerfile"
    assert [mount.target for mount in web.mounts] == ["/app/media"]
    assert web.migrations


@pytest.mark.parametrize(
    ("run", "files"),
    [
        ("./scripts/test.sh", {"scripts/test.sh": "#!/bin/bash\npytest\n"}),
        ("bin/ci", {"bin/ci": "#!/bin/bash\nmake -C . t\n", "Makefile": "t: lint\n\tpytest\nlint:\n\truff .\n"}),
        ("make test", {"Makefile": "PYTEST ?= pytest\ntest:\n\t@$(PYTEST)\n"}),
        ("npm run e2e", {"package.json": '{"scripts": {"e2e": "pytest"}}'}),
        ("task test", {"Taskfile.yml": "tasks:\n  test:\n    deps: [x]\n    cmds: [pytest]\n  x:\n    cmd: echo\n"}),
        ("just test", {"justfile": "lint:\n  ruff .\ntest: lint\n  @pytest\n"}),
        ("uv run poe test", {"pyproject.toml": '[tool.poe.tasks]\ntest = "pytest"\n'}),
        ("tox -e py312", {"tox.ini": "[testenv]\ncommands =\n    pytest\n"}),
        ("poetry run bash -c 'cd . && pytest'", {}),
    ],
)  # fmt: skip
def test_what_a_step_runs_is_followed(tmp_path: Path, run: str, files: dict[str, str]) -> None:
    workflow = f"""\
on: push
jobs:
  test:
    runs-on: ubuntu-latest
    services:
      postgres:
        image: postgres:16
        ports: ["5433:5432"]
    env: {{DATABASE_URL: "postgres://u:p@localhost:5433/x"}}
    steps:
      - run: {run}
"""
    test = program(picture(tmp_path, shop(**files, **{".github/workflows/ci.yml": workflow})), "test", "workflow")

    assert "pytest" in [each.argv[0] for each in test.running(Kind.TEST)]
    assert test.is_django
    assert [(s.name, s.host, s.port, s.speaks_tls) for s in test.databases()] == [
        ("postgres", "localhost", "5433", False)
    ]


def test_a_job_that_runs_a_service_is_a_program_of_that_service(tmp_path: Path) -> None:
    files = {
        "docker-compose.yml": "services:\n  web:\n    build: .\n    depends_on: [db]\n  db:\n    image: postgres:16\n",
        ".github/workflows/ci.yml": """\
on: push
jobs:
  test:
    runs-on: ubuntu-latest
    steps:
      - run: docker compose run --rm -e CI=1 web pytest -x
""",
    }
    web = program(picture(tmp_path, shop(**files)), "web", "workflow")

    assert sources(web)[-2:] == ["python manage.py migrate --noinput", "pytest -x"]
    assert web.environment.text("CI") == "1"
    assert [server.name for server in web.databases()] == ["db"]


def test_a_program_runs_as_whom_its_own_file_names_not_as_the_user_of_its_image(tmp_path: Path) -> None:
    compose = 'services:\n  web: {build: .}\n  job: {build: ., user: "0"}\n'
    files = {"Dockerfile": "FROM python:3.13\nUSER root\nCMD python serve.py\n", "compose.yml": compose}
    runtime = picture(tmp_path, files)

    assert (program(runtime, "web").user, program(runtime, "job").user) == ("", "0")


def test_poolers_are_found_in_examples_and_in_the_documentation(tmp_path: Path) -> None:
    files = {
        ".env.example": "DATABASE_URL=postgres://u:p@ep-x-pooler.eu.example:5432/x\n",
        "README.md": "| `DB_PORT` | `6432` |\n",
    }
    runtime = picture(tmp_path, files)

    assert [server.place.path for server in runtime.poolers("DATABASE_URL", "DB_PORT")] == [".env.example", "README.md"]
    assert runtime.poolers("OTHER") == ()


def test_the_port_of_poolers_is_one_of_postgresql_where_compose_publishes_it_there(tmp_path: Path) -> None:
    files = {
        "compose.yaml": 'services:\n  db:\n    image: postgres:16\n    ports: ["6543:5432"]\n',
        "README.md": "DATABASE_URL=postgres://u:p@localhost:6543/x\nOTHER=postgres://u:p@db.example:6543/x\n",
    }
    runtime = picture(tmp_path, files)

    assert runtime.poolers("DATABASE_URL") == ()
    assert [server.host for server in runtime.poolers("OTHER")] == ["db.example"]


def test_a_script_in_python_may_start_django(tmp_path: Path) -> None:
    start = """\
import os
import subprocess
import sys

subprocess.run([sys.executable, "manage.py", "migrate", "--noinput"], check=True)
os.execvp(sys.executable, [sys.executable, "manage.py", "runserver", "0.0.0.0:8000"])
"""
    dockerfile = 'FROM python:3.12-slim\nWORKDIR /app\nCOPY . .\nENTRYPOINT ["python", "/app/start.py"]\n'
    files = {"Dockerfile": dockerfile, "start.py": start, "manage.py": MANAGE}

    found = program(picture(tmp_path, files), "Dockerfile", "dockerfile")

    assert sources(found) == [
        "python /app/start.py",
        "python manage.py migrate --noinput",
        "python manage.py runserver 0.0.0.0:8000",
    ]
    assert [(each.line, each.conditional) for each in found.migrations] == [(5, True)]
    assert (found.is_django, found.unfollowed) == (True, ())


def test_a_script_in_python_that_puts_commands_together_is_unknown(tmp_path: Path) -> None:
    start = 'import os, sys\nos.execvp("python", ["python", "manage.py", *sys.argv[1:]])\n'
    dockerfile = 'FROM python:3.12-slim\nWORKDIR /app\nCOPY . .\nCMD ["python", "start.py", "migrate"]\n'
    files = {"Dockerfile": dockerfile, "start.py": start, "manage.py": MANAGE}

    found = program(picture(tmp_path, files), "Dockerfile", "dockerfile")

    assert found.unfollowed == ("Dockerfile: what start.py starts",)


def test_recipes_of_a_makefile_say_where_they_stand() -> None:
    text = "X = a\nall: b ; echo all\nb:\n\t@echo $(X) \\\n\t  more\n\tplain $$HOME\n"
    found = targets(text)

    assert [recipe.text for recipe in found["all"].recipes] == ["echo all"]
    assert [recipe.text for recipe in found["b"].recipes] == ["echo a \\\n\t  more", "plain $HOME"]
    assert [recipe.line for recipe in found["b"].recipes] == [4, 6]


def test_kubernetes_runs_the_image_that_a_workflow_pushes_beside_its_own_database(tmp_path: Path) -> None:
    files = {
        ".github/workflows/image.yml": """\
on: push
jobs:
  image:
    runs-on: ubuntu-latest
    steps:
      - run: docker build -t registry.example/shop:${{ github.sha }} .
""",
        "k8s/all.yaml": """\
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data:
  DB_HOST: database
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: pg}
spec:
  template:
    metadata: {labels: {app: pg}}
    spec:
      containers: [{name: pg, image: postgres:16}]
---
apiVersion: v1
kind: Service
metadata: {name: database}
spec: {selector: {app: pg}}
""",
        "k8s/web.yaml": """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  template:
    spec:
      securityContext: {runAsUser: 1000}
      containers:
        - name: web
          image: registry.example/shop
          args: [gunicorn, shop.wsgi]
          env:
            - name: DEBUG
              value: "0"
          envFrom:
            - configMapRef: {name: settings}
            - secretRef: {name: passwords}
          volumeMounts:
            - {name: media, mountPath: /app/media}
            - {name: settings, mountPath: /etc/shop}
            - {name: cache, mountPath: /cache}
            - {name: logs, mountPath: /logs}
      volumes:
        - {name: media, persistentVolumeClaim: {claimName: media}}
        - {name: settings, configMap: {name: settings}}
        - {name: cache, emptyDir: {}}
        - {name: logs, hostPath: {path: /var/log/shop}}
""",
    }
    web = program(picture(tmp_path, shop(**files)), "web", "kubernetes")

    assert web.image is not None
    assert sources(web)[-2:] == ["python manage.py migrate --noinput", "gunicorn shop.wsgi"]
    assert [(s.name, s.host, s.speaks_tls) for s in web.databases()] == [("pg", "database", False)]
    assert web.user == "1000"
    assert web.mounts == (
        Mount("media", "/app/media", bind=False, of_root=True),
        Mount("settings", "/etc/shop", bind=False, read_only=True),
        Mount("cache", "/cache", bind=False),
        Mount("/var/log/shop", "/logs", bind=True),
    )
    assert web.unknown == ("k8s/web.yaml:9: the secret passwords",)
    added = written(tmp_path, web.environment.add("DB_SSLMODE", "prefer"))
    assert '              value: "0"\n            - name: DB_SSLMODE\n              value: prefer\n' in added


def test_a_patch_is_no_program_and_what_waits_for_a_database_is_none(tmp_path: Path) -> None:
    files = {
        "k8s/base/web.yaml": """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  template:
    spec:
      initContainers:
        - {name: wait, image: "postgres:16", command: [pg_isready, -h, database]}
      containers:
        - {name: web, image: registry.example/shop, args: [gunicorn, shop.wsgi]}
""",
        "k8s/base/backup.yaml": """\
apiVersion: batch/v1
kind: CronJob
metadata: {name: backup}
spec:
  jobTemplate:
    spec:
      template:
        spec:
          containers: [{name: backup, image: "postgres:16", command: [pg_dump]}]
""",
        "k8s/live/kustomization.yaml": """\
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [../base/web.yaml]
patches:
  - path: more.yaml
""",
        "k8s/live/more.yaml": """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec: {template: {spec: {containers: [{name: web, image: registry.example/shop}]}}}
""",
    }

    runtime = picture(tmp_path, files)

    assert [each.path for each in runtime.programs] == ["k8s/base/web.yaml"]
    assert runtime.servers == ()
    assert runtime.unknown == ("k8s/live/more.yaml: what the patch changes",)


def test_a_chart_and_an_unreadable_manifest_are_named_as_unknown(tmp_path: Path) -> None:
    files = {
        "chart/Chart.yaml": "apiVersion: v2\nname: shop\n",
        "chart/templates/web.yaml": "apiVersion: apps/v1\nkind: Deployment\n{{ toYaml .Values.x }}\n",
        "k8s/web.yaml": "apiVersion: apps/v1\nkind: Deployment\nspec: {{ x }}\n",
    }

    unknown = picture(tmp_path, files).unknown

    assert unknown == (
        "k8s/web.yaml is a manifest that cannot be read",
        "chart/templates/web.yaml: what the chart starts",
    )


@pytest.mark.parametrize(
    ("path", "text", "started", "migrates"),
    [
        ("Procfile", "release: python manage.py migrate\nweb: gunicorn shop.wsgi\n", ["gunicorn shop.wsgi"], True),
        (
            "render.yaml",
            "services:\n  - {type: web, name: shop, startCommand: gunicorn shop.wsgi,"
            " preDeployCommand: python manage.py migrate}\n",
            ["gunicorn shop.wsgi"],
            True,
        ),
        (
            "fly.toml",
            'app = "shop"\n[deploy]\nrelease_command = "python manage.py migrate"\n'
            '[processes]\napp = "gunicorn shop.wsgi"\n',
            ["gunicorn shop.wsgi"],
            True,
        ),
        ("railway.json", '{"deploy": {"startCommand": "gunicorn shop.wsgi"}}', ["gunicorn shop.wsgi"], False),
        (
            "heroku.yml",
            "build: {docker: {web: Dockerfile}}\nrun: {web: gunicorn shop.wsgi}\n",
            ["gunicorn shop.wsgi"],
            True,
        ),
        (
            "ops/task-definition.json",
            '{"containerDefinitions": [{"name": "shop", "image": "<IMAGE>", "command": ["gunicorn", "shop.wsgi"]}]}',
            ["gunicorn shop.wsgi"],
            True,
        ),
        (
            "ops/shop.service",
            "[Service]\nExecStartPre=/venv/bin/python manage.py migrate\nExecStart=/venv/bin/gunicorn shop.wsgi\n",
            ["gunicorn shop.wsgi"],
            True,
        ),
        ("ops/supervisord.conf", "[program:web]\ncommand=gunicorn shop.wsgi\n", ["gunicorn shop.wsgi"], False),
        ("app.yaml", "runtime: python312\nentrypoint: gunicorn shop.wsgi\n", ["gunicorn shop.wsgi"], False),
        (
            ".do/app.yaml",
            "services: [{name: shop, run_command: gunicorn shop.wsgi}]\n"
            "jobs: [{name: m, run_command: python manage.py migrate}]\n",
            ["gunicorn shop.wsgi"],
            True,
        ),
    ],
)
def test_platforms_say_what_they_start(
    tmp_path: Path, path: str, text: str, started: list[str], migrates: bool
) -> None:
    runtime = picture(tmp_path, shop(**{path: text}))
    here = [each for each in runtime.programs if each.path == path]

    servers = [each.source for program in here for each in program.running(Kind.SERVER)]
    assert servers == started
    assert any(program.path == path for program, _ in runtime.migrations_on_start("shop.settings")) is migrates


@pytest.mark.parametrize("path", ["render.yaml", "fly.toml", "railway.json", "app.json", "heroku.yml", "task.json"])
@pytest.mark.parametrize("text", ["[]", "a", '{"services": 1, "deploy": [], "env": 2, "containerDefinitions": {}}', ""])
def test_odd_files_of_platforms_start_nothing(tmp_path: Path, path: str, text: str) -> None:
    assert [each for each in picture(tmp_path, {path: text}).programs if each.path == path] == []


def test_targets_of_a_makefile_are_programs_of_the_machine_and_of_containers(tmp_path: Path) -> None:
    files = {
        "docker-compose.yml": "services:\n  web:\n    build: .\n  db:\n    image: postgres:16\n",
        "Makefile": "test:\n\tDJANGO_SETTINGS_MODULE=shop.test pytest\nmigrate:\n"
        "\tsudo docker compose exec web python manage.py migrate\n",
        "infra/ecs.tf": "resource x y {\n  container_definitions = jsonencode([])\n}\n",
        "cdk.json": "{}",
    }
    runtime = picture(tmp_path, shop(**files))

    assert sources(program(runtime, "Makefile", "script")) == ["pytest"]
    assert program(runtime, "Makefile", "script").settings == {"shop.test"}
    assert sources(program(runtime, "web", "script")) == ["python manage.py migrate"]
    assert runtime.unknown == ("cdk.json may start programs of its own",)


def test_a_container_that_is_started_over_ssh_runs_on_a_server(tmp_path: Path) -> None:
    workflow = """\
on: push
jobs:
  deploy:
    runs-on: ubuntu-24.04
    steps:
      - run: |
          docker build -t acme/shop .
          docker run --rm -v "$PWD:/src" acme/shop pytest
      - run: ssh -i key -p 22 web 'docker run -d --cap-add SYS_ADMIN -u 0 -v media:/app/media -p 80:8000 acme/shop'
"""
    files = {".github/workflows/ci.yml": workflow, "Dockerfile": 'FROM python:3.13\nCMD ["python", "x.py"]\n'}
    found = picture(tmp_path, files)

    there = program(found, "acme/shop", "server")
    here = program(found, "acme/shop", "workflow")

    assert there in found.deployed
    assert (there.rights, there.user, there.ports) == ("rights of root", "0", (8000,))
    assert there.mounts == (Mount("media", "/app/media", False),)
    assert here.mounts == (Mount("$PWD", "/src", True, ""),)


def test_where_supervisor_and_systemd_start_a_program_is_known(tmp_path: Path) -> None:
    supervisor = """\
[program:web]
directory=/srv/shop/src
command=gunicorn shop.wsgi

[program:mail]
command=celery -A shop worker
directory=/opt/mail
"""
    unit = "[Service]\nWorkingDirectory=/srv/shop/src\nExecStart=/usr/bin/gunicorn shop.wsgi\n"
    files = {"deploy/supervisor.conf": supervisor, "deploy/web.service": unit, "src/manage.py": MANAGE}
    found = picture(tmp_path, files)

    folders = {(each.origin, each.name): each.commands[-1].folder for each in found.programs if each.path in files}

    assert folders == {
        ("supervisor", "web"): "src",
        ("supervisor", "mail"): None,
        ("systemd", "web.service"): "src",
    }


def test_a_compose_file_has_many_names(tmp_path: Path) -> None:
    names = ("prod.yml", "docker/dev.yml", "prod.compose.yml", "local-docker-compose.yaml", "compose.ci.yml")
    text = "services:\n  web:\n    image: acme/shop\n"

    found = picture(tmp_path, dict.fromkeys(names, text))

    assert sorted(each.path for each in found.programs if each.origin == "compose") == sorted(names)
