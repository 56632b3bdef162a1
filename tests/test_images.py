"""What is known of images, of builds, and of what a container needs."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from fixer import engine
from fixer.docker.ignore_files import _matches, is_ignored, read_ignore
from fixer.docker.images import BaseImage, base_image
from fixer.docker.packages import needed_at_run_time, release_of
from fixer.docker.privileges import User, folders_made, low_port, needs_root, settings_need_root, users_made
from fixer.languages.dockerfile import ImageRef
from fixer.languages.shell import Script
from fixer.model import Blocked, Fix, Tier
from fixer.registry import all_rules
from fixer.repository import Repository
from fixer.runtime.builds import ImageBuilds
from fixer.runtime.states import Container
from tests.fixture_cases import CASES, planned, write


def image(text: str) -> BaseImage:
    found = base_image(ImageRef.parse(text))
    assert found is not None
    return found


def builds(root: Path, **files: str) -> ImageBuilds:
    write(root, {name.replace("__", "/"): text.encode() for name, text in files.items()})
    found = Repository(root).fact(ImageBuilds)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("text", "family", "runs_as", "user"),
    [
        ("python:3.12-slim", "debian", "root", ""),
        ("docker.io/library/python:3.12-alpine", "alpine", "root", ""),
        ("public.ecr.aws/docker/library/node:22", "debian", "root", "node"),
        ("mcr.microsoft.com/dotnet/aspnet:8.0", "debian", "root", "app"),
        ("mcr.microsoft.com/dotnet/runtime:6.0-alpine", "alpine", "root", ""),
        ("gcr.io/distroless/static-debian12", "none", "root", "65532"),
        ("gcr.io/distroless/static-debian12:nonroot", "none", "nonroot", "65532"),
        ("nginxinc/nginx-unprivileged:1.27-alpine", "alpine", "nginx", ""),
        ("bitnami/redis:7.4", "debian", "1001", ""),
        ("ghcr.io/astral-sh/uv:python3.12-bookworm-slim", "debian", "root", ""),
        ("amazonlinux:2023", "none", "root", ""),
    ],
)
def test_public_images_have_a_family_and_users(text: str, family: str, runs_as: str, user: str) -> None:
    found = image(text)
    assert (found.family, found.runs_as, found.user) == (family, runs_as, user)


@pytest.mark.parametrize(
    "text",
    ["postgres:16", "nginx:alpine", "redis", "php:8.3-apache", "traefik:v3", "mcr.microsoft.com/dotnet/aspnet:7.0"],
)
def test_images_that_start_as_root_say_why_and_what_instead(text: str) -> None:
    assert image(text).keeps_root
    assert image(text).instead


def test_every_image_has_a_source() -> None:
    assert image("php:8.3-fpm").source.startswith("https://")
    assert base_image(ImageRef.parse("ghcr.io/acme/unknown")) is None


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("gunicorn app --bind 0.0.0.0:8000", ""),
        ("python manage.py migrate && exec gunicorn app", ""),
        ("mkdir -p /app/logs && touch /tmp/ready > /dev/null", ""),
        ("echo 'chown root /etc/x' # apt-get install", ""),
        ('exec gosu app "$@"', "changes to another user"),
        ("chown -R app /data", "must run as root"),
        ("if true; then service cron start; fi", "must run as root"),
        ("envsubst < a > /etc/nginx/conf.d/a.conf", "/etc/nginx/conf.d/a.conf, which belongs to root"),
        ("gunicorn app --access-logfile /var/log/app/a.log", "/var/log/app/a.log"),
        ("gunicorn app --bind unix:/srv/app.sock", "/srv/app.sock"),
        ("pip install -r requirements.txt && python app.py", "installs packages when the container starts"),
        ("pip install debugpy -t /tmp && python /tmp/debugpy app.py", ""),
        ("pip install --target=/opt/lib debugpy", "writes to /opt/lib"),
        ("/usr/sbin/mumbled -fg", "is a daemon of the system"),
        ("/init", "is a daemon of the system"),
        ("/sbin/tini -g -- python app.py", ""),
        ("/sbin/tini --", ""),
        ("tini -- cron -f", "`cron` must run as root"),
        ("/usr/bin/dumb-init -r 15:3 gosu app python app.py", "changes to another user"),
        ("chronyd -d", "must run as root"),
        ("gunicorn --user=www-data app", "changes to another user"),
        ("exec celery -A app worker --uid nobody", "changes to another user"),
        ("uwsgi --http :8000 --logto /var/log/app.log", "/var/log/app.log"),
        ("gunicorn -p /var/run/app.pid app", "/var/run/app.pid"),
        ("celery -A app beat -s /var/lib/beat", "/var/lib/beat"),
        ("mkdir -p $OUT/a", "writes to /results/a"),
        ("LOGS=${LOGS:-/logs}\ntouch $LOGS/a.log", "writes to /logs/a.log"),
        ("mkdir -p $HERE/a $UNKNOWN", "writes to a folder that is computed at start"),
        ('place=$(pip show shop)\ncp a.ini "${place%/shop}/shop/data/"', "computed at start"),
        ('cat a > "$(python -m where)/a.ini"', "computed at start"),
        ("cp -t $UNKNOWN a b", "computed at start"),
        ("sed -i s/a/b/ $UNKNOWN", "computed at start"),
        ("sed -i -e s/a/b/ $UNKNOWN", "computed at start"),
        ("sed -i /$UNKNOWN/d a", ""),
        ("sed -i -e $UNKNOWN a", ""),
        ('cp $UNKNOWN "$(pwd)/a" && touch $PWD/b ~/c $HOME/d', ""),
        ("touch /tmp/$UNKNOWN $HERE/$UNKNOWN data/$UNKNOWN.txt ${UNKNOWN:-/app/a}", ""),
        ("touch $HERE/../../etc/$UNKNOWN", "writes to /app/here/../../etc"),
        ("touch /$UNKNOWN", "writes to /, which"),
        ("new=$(mktemp -d)\necho a > $new/b\nrm -r $new", ""),
        ("new=$(mktemp /var/lib/a.new)\necho a > $new", "writes to /var/lib/a"),
        ("for each in /app/a /app/*.js; do sed -i s/a/b/ $each; done", ""),
        ("for each in /app/a /etc/a; do touch $each; done", "writes to /etc/a"),
        ("for each in $UNKNOWN; do touch $each; done", "computed at start"),
        ("mongod --dbpath /data/db", "belong to another user"),
    ],
)
def test_a_script_says_why_it_needs_root(script: str, reason: str) -> None:
    found = needs_root(Script.parse(script).commands, ("/app",), {"OUT": "/results", "HERE": "/app/here"})
    assert reason in found
    assert bool(found) == bool(reason)


@pytest.mark.parametrize(
    ("words", "port"),
    [
        ("gunicorn app -b 0.0.0.0:80", 80),
        ("uvicorn app --port 443", 443),
        ("flask run --port=81", 81),
        ("caddy --listen :80", 80),
        ("gunicorn app --bind=[::]:80", 80),
        ("gunicorn app -b 0.0.0.0:8000 --timeout 60", None),
        ("wait-for-it db:80 -- gunicorn", None),
        ("app http://localhost:80/x 12:30", None),
    ],
)
def test_ports_below_1024_are_seen_where_a_program_listens(words: str, port: int | None) -> None:
    assert low_port(words.split()) == port


@pytest.mark.parametrize(
    ("script", "user"),
    [
        ("groupadd -r app && useradd -rm -g app -u 1001 app", User("app", "app", "1001")),
        ("useradd --system web", User("web", "web", "", home=False)),
        ("useradd -m -s /bin/bash -N web", User("web", "")),
        ("adduser -S web -u 1001", User("web", "", "1001")),
        ("adduser -D -H -u 1001 -G staff web", User("web", "staff", "1001", home=False)),
        ("adduser --disabled-password --gecos '' web", User("web", "web")),
        ("useradd -u ${ID} $NAME", User("worker", "worker", "1500", home=False, said="${ID}")),
    ],
)
def test_users_that_a_script_makes(script: str, user: User) -> None:
    assert list(users_made(Script.parse(script), {"ID": "1500", "NAME": "worker"})) == [user]


def test_folders_that_a_script_makes_are_absolute() -> None:
    script = Script.parse("mkdir -p logs /data/{a,b} && cd /srv && mkdir x && install -d -m 755 /var/y")
    assert list(folders_made(script, {}, "/app")) == ["/app/logs", "/data/a", "/data/b", "/srv/x", "/var/y"]


def test_folders_that_may_be_missing_are_not_made_surely() -> None:
    script = Script.parse('mkdir -p logs /data/{a,b}; if [ "$X" ]; then mkdir /cache; fi; mkdir $D')
    assert list(folders_made(script, {}, "/app", surely=True)) == ["/app/logs"]


@pytest.mark.parametrize(
    ("lines", "path", "ignored"),
    [
        ([".env"], ".env", True),
        ([".env"], "src/.env", False),
        (["**/.env"], "src/deep/.env", True),
        (["**/.env"], ".env", True),
        (["/.git/"], ".git/config", True),
        (["*"], "a/b", True),
        (["*", "!src"], "src/a", False),
        (["*", "!src", "**/*.key"], "src/a.key", True),
        (["*.py[co]"], "a.pyc", True),
        (["a?c"], "a/c", False),
        (["# .env", " ", ".env.*", "!.env.example"], ".env.example", False),
        (["docs/**/*.md"], "docs/a/b/c.md", True),
    ],
)
def test_ignore_files_mean_what_the_builder_reads(lines: list[str], path: str, ignored: bool) -> None:
    assert is_ignored(path, tuple(read_ignore(lines))) is ignored


def test_the_context_is_the_nearest_folder_that_has_what_is_copied(tmp_path: Path) -> None:
    found = builds(
        tmp_path,
        docker__api__Dockerfile="FROM a\nCOPY api/requirements.txt .\nCOPY api/*.py .\n",
        api__Dockerfile="FROM a\nCOPY . .\n",
        elsewhere__Dockerfile="FROM a\nCOPY nowhere .\n",
        **{"api__requirements.txt": "", "api__main.py": ""},
    )
    assert found.of("docker/api/Dockerfile")[0].context == ""
    assert found.of("api/Dockerfile")[0].context == "api"
    assert found.of("elsewhere/Dockerfile")[0].context is None


def test_compose_and_workflows_say_from_where_an_image_is_built(tmp_path: Path) -> None:
    workflow = """\
on: push
jobs:
  image:
    runs-on: ubuntu-latest
    steps:
      - run: |
          cp .env.example .env
          docker build -f worker/Dockerfile .
          docker build api
          cp .env.example jobs/.env.jobs
          echo A=b > $HOME/.env.home
          docker build jobs
"""
    found = builds(
        tmp_path,
        worker__Dockerfile="FROM a\nCOPY . .\n",
        web__Dockerfile="FROM a\n",
        api__Dockerfile="FROM a\n",
        jobs__Dockerfile="FROM a\n",
        **{
            ".github__workflows__ci.yml": workflow,
            "compose.yaml": "services:\n  web: {build: {context: ., dockerfile: web/Dockerfile}, command: serve}\n"
            "  dev: {build: {context: ., dockerfile: web/Dockerfile, target: tools}}\n",
        },
    )
    assert found.of("worker/Dockerfile")[0].context == ""
    assert found.of("web/Dockerfile")[0].context == ""
    assert [each.name for each in found.of("web/Dockerfile")[0].runners] == ["web"]
    assert found.of("worker/Dockerfile")[0].names_written == {".env", ".env.jobs", ".env.home"}
    assert found.of("web/Dockerfile")[0].names_written == frozenset()
    # What is written above the folder of a build is nothing that it takes.
    assert found.of("api/Dockerfile")[0].names_written == {".env.home"}
    assert found.of("jobs/Dockerfile")[0].names_written == {".env.jobs", ".env.home"}


def test_a_build_that_a_service_takes_over_is_seen(tmp_path: Path) -> None:
    text = """\
x-shop: &shop
  image: shop
  build: {context: ., dockerfile: docker/shop/Dockerfile}
x-worker: &worker
  <<: *shop
  environment: {A: b}
services:
  web: {<<: *shop, command: serve}
  worker: {<<: *worker, build: jobs}
"""
    found = builds(
        tmp_path,
        docker__shop__Dockerfile="FROM a\nCOPY . .\n",
        jobs__Dockerfile="FROM a\n",
        **{"compose.yaml": text},
    )
    assert [(each.context, each.names) for each in found.of("docker/shop/Dockerfile")[0].image.builds] == [
        ("", ("shop",))
    ]
    assert [(each.context, each.names) for each in found.of("jobs/Dockerfile")[0].image.builds] == [("jobs", ("shop",))]


def test_what_starts_is_followed_through_scripts(tmp_path: Path) -> None:
    found = builds(
        tmp_path,
        Dockerfile='FROM a\nWORKDIR /app\nCOPY ops/start /usr/bin/start\nCOPY . .\n\nCMD ["start"]\n',
        **{"ops__start": "#!/bin/sh\n. ./lib.sh\n./missing.sh\n", "lib.sh": "id\n"},
    )
    build = found.of("Dockerfile")[0]
    container = Container(build)

    assert [(each.source, each.path) for each in container.commands] == [("id", "lib.sh")]
    assert (container.started[0].source, container.started[0].path) == ("start", "Dockerfile")
    assert container.unfollowed == ("ops/start: ./missing.sh is not in the repository",)


def test_own_entrypoints_count_and_those_of_images_do_not(tmp_path: Path) -> None:
    base = 'FROM node:22\nCOPY . /app\nENTRYPOINT ["docker-entrypoint.sh"]\n'
    own = builds(tmp_path / "a", Dockerfile=base, **{"docker-entrypoint.sh": "#!/bin/sh\nsu-exec app node\n"})
    none = builds(tmp_path / "b", Dockerfile=base)

    assert [each.source for each in Container(own.of("Dockerfile")[0]).started][1:] == ["su-exec app node"]
    assert [each.source for each in Container(none.of("Dockerfile")[0]).started] == []


@pytest.mark.parametrize(
    ("command", "files", "settings"),
    [
        ("uwsgi --ini etc/site.ini", {"etc__site.ini": "uid = web\n"}, {"etc/site.ini": "uid = web\n"}),
        ("gunicorn -c file:conf.py app", {"conf.py": "bind = ':80'\n"}, {"file:conf.py": "bind = ':80'\n"}),
        ("gunicorn app", {"gunicorn.conf.py": "user = 'web'\n"}, {"gunicorn.conf.py": "user = 'web'\n"}),
        ("gunicorn app", {}, {}),
        ("uwsgi /etc/uwsgi.ini", {}, {"/etc/uwsgi.ini": ""}),
    ],
)
def test_settings_of_servers(tmp_path: Path, command: str, files: dict[str, str], settings: dict[str, str]) -> None:
    found = builds(tmp_path, Dockerfile=f"FROM a\nCOPY . /app\nCMD {command}\n", **files)
    build = found.of("Dockerfile")[0]

    assert dict(Container(build).settings) == settings


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[uwsgi]\nuid = www-data\n", "changes to another user"),
        ("user = 'web'\n", "changes to another user"),
        ("http = 0.0.0.0:80\n", "port 80"),
        ("bind = 'unix:/run/app.sock'\n", "writes to /run/app.sock"),
        ("accesslog = '/var/log/app.log'  # rotated\n", "writes to /var/log/app.log"),
        ("socket = /app/run.sock\nhttp = :8000\nchdir = /srv\n# uid = web\nuser = None\nerrorlog = '-'\n", ""),
    ],
)
def test_settings_say_why_they_need_root(text: str, reason: str) -> None:
    found = settings_need_root(text, ("/app",))
    assert reason in found
    assert bool(found) == bool(reason)


def test_an_ignore_file_that_is_a_link_is_not_overwritten(tmp_path: Path) -> None:
    builds(tmp_path, Dockerfile="FROM a\nCOPY . .\n", **{".gitignore": ".env\n"})
    (tmp_path / ".dockerignore").symlink_to(".gitignore")
    build = builds(tmp_path).of("Dockerfile")[0]

    assert (build.ignore_path, build.ignore, build.ignore_fault) == (".dockerignore", None, "a symbolic link")


def test_of_two_contexts_the_first_counts_that_has_what_is_copied(tmp_path: Path) -> None:
    services = "services:\n  a:\n    build: {context: api, dockerfile: ../Dockerfile}\n  b:\n    build: .\n"
    files = {"compose.yaml": services, "api__a.py": "", "b.py": ""}
    any_of_them = builds(tmp_path / "a", Dockerfile="FROM a\nCOPY . .\n", **files)
    that_has_it = builds(tmp_path / "b", Dockerfile="FROM a\nCOPY b.py .\n", **files)

    assert any_of_them.of("Dockerfile")[0].context == "api"
    assert that_has_it.of("Dockerfile")[0].context == ""
    assert [each.context for each in any_of_them.of("Dockerfile")[0].elsewhere] == [""]
    assert that_has_it.of("Dockerfile")[0].elsewhere == ()


def test_states_know_folder_user_and_variables(tmp_path: Path) -> None:
    base = "ARG V=1\nFROM a AS b\nENV HOME=/srv\nWORKDIR $HOME/app\nUSER web:web\n"
    text = f"{base}FROM b\nARG V\nWORKDIR x/$V\nCOPY a ./y/\n"
    build = builds(tmp_path, Dockerfile=text).of("Dockerfile")[0]
    last = Container(build).states[-1]

    assert (last.folder, last.user, last.target) == ("/srv/app/x/1", "web", "/srv/app/x/1/y")


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("ENV JWT_SECRET=s3cr3t-Ab12Cd34", 1),
        ("ENV TLS_PRIVATE_KEY=/etc/tls/site.pem", 0),
        ("ENV API_KEY=changeme", 0),
        ("ARG NPM_TOKEN\nRUN echo $NPM_TOKEN > .npmrc", 1),
    ],
)
def test_names_of_files_and_placeholders_are_no_secrets(tmp_path: Path, line: str, found: int) -> None:
    rule = next(rule for rule in all_rules() if rule.id == "leaky-builder-stage")
    plan = planned(tmp_path, {"Dockerfile": f"FROM alpine:3.20\n{line}\n".encode()}, [rule])

    assert len(plan.left) == found


def test_a_leak_out_of_many_folders_is_said_in_a_few_words(tmp_path: Path) -> None:
    names = [f"service{number}" for number in range(9)]
    copies = "".join(f"COPY {name} ./{name}\n" for name in names)
    files = {"Dockerfile": f"FROM node:22\n{copies}USER node\n".encode()}
    rule = next(rule for rule in all_rules() if rule.id == "leaky-builder-stage")

    found = planned(tmp_path, {**files, **{f"{name}/app.js": b"run()\n" for name in names}}, [rule]).taken

    message = found[0].finding.message
    assert message.endswith("service0/.env.production, service1/.env and 23 more, if there")


@pytest.mark.parametrize(
    ("compose", "tier"),
    [
        ("services:\n  web: {build: .}\n", Tier.SAFE),
        ("services:\n  web: {build: ., volumes: ['data:/app']}\n", Tier.REVIEW),
        ("services:\n  web: {build: .}\n  other: {image: acme/other}\n", Tier.REVIEW),
        ("", Tier.REVIEW),
    ],
    ids=["all that runs it is seen", "a volume that may exist", "an image that may be this one", "nobody is seen"],
)
def test_another_user_is_safe_only_where_all_that_runs_the_image_is_seen(
    compose: str, tier: Tier, tmp_path: Path
) -> None:
    text = 'FROM debian:13\nWORKDIR /app\nCOPY server.py .\nEXPOSE 8000\nCMD ["/usr/bin/run"]\n'
    rule = next(rule for rule in all_rules() if rule.id == "root-user")
    files = {"Dockerfile": text.encode(), "server.py": b"run()\n", "compose.yml": compose.encode()}

    found = planned(tmp_path, files, [rule]).taken

    cure = found[0].finding.cure
    assert isinstance(cure, Fix)
    assert cure.tier is tier


@pytest.mark.parametrize(
    ("other", "is_said"),
    [("", False), ("  other:\n    build: .\n    volumes: ['data:/app/data']\n", True)],
    ids=["of services that stay as they are", "of another, too"],
)
def test_volumes_are_handed_over_only_where_the_new_user_meets_them(other: str, is_said: bool, tmp_path: Path) -> None:
    text = 'FROM python:3.13-slim\nWORKDIR /app\nCOPY . .\nEXPOSE 8000\nCMD ["python", "server.py"]\n'
    services = (
        f"services:\n  web:\n    build: .\n    volumes: ['.:/app', 'data:/app/data']\n  job:\n    build: .\n{other}"
    )
    rule = next(rule for rule in all_rules() if rule.id == "root-user")
    files = {"Dockerfile": text, "server.py": "run()\n", "compose.yml": f"{services}volumes:\n  data:\n"}

    (taken,) = planned(tmp_path, {path: each.encode() for path, each in files.items()}, [rule]).taken

    assert isinstance(taken.finding.cure, Fix)
    assert any(each.startswith("volumes that exist") for each in taken.finding.cure.todo) is is_said


@pytest.mark.parametrize("name", ["root-user/left-alone", "leaky-builder-stage/only-what-is-named"])
def test_what_is_left_alone_is_not_spoken_of(name: str, tmp_path: Path) -> None:
    case = next(case for case in CASES if case.name == name)

    made = planned(tmp_path, case.before, [rule for rule in all_rules() if rule.id == case.rule_id])

    assert (made.left, made.problems) == ((), ())


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("root-user/started-by-a-template", "deploy/docker-compose.yml.j2 is a template"),
        ("root-user/started-by-what-is-no-yaml", "docker-compose.yml cannot be read"),
        ("root-user/reasons-of-other-files", "deploy/compose.server.yaml mounts /srv/shop/uploads"),
        ("root-user/data-that-the-repository-has", "compose.yaml mounts ./backups of the host over /app/backups"),
        ("root-user/collected-files-of-the-host", "compose.yaml mounts ./staticfiles of the host"),
        ("root-user/what-a-script-does-in-it", "deploy.sh:3: `pip install -r more.txt` installs packages"),
        ("root-user/port-that-a-compose-file-says", "compose.yaml:5: PORT says it"),
        ("leaky-builder-stage/secret-for-everybody", "line 6: whether it is one"),
        ("single-stage-build/started-by-a-login-shell", "`bash -lc` gives what it starts another PATH"),
        ("single-stage-build/wheels-of-a-builder", "line 10 brings wheels"),
    ],
)
def test_what_stands_in_the_way_of_a_fix_is_said(name: str, reason: str, tmp_path: Path) -> None:
    case = next(case for case in CASES if case.name == name)

    made = planned(tmp_path, case.before, [rule for rule in all_rules() if rule.id == case.rule_id])

    assert any(reason in str(left.finding.cure) for left in made.left)


PAGES = (
    "FROM node:22-alpine\nWORKDIR /app\nCOPY package.json .\nRUN npm ci\n{args}COPY src src\nRUN npm run build\n"
    'USER node\nCMD ["npm", "start"]\n'
)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ("", "if the bundler reads a .env"),
        ("ARG VITE_API\n", "no ARG gives VITE_MAPS: where a .env gave it"),
        ("ARG VITE_API\nARG VITE_MAPS\n", ""),
        ("ARG VITE_API\nENV VITE_MAPS=no\n", ""),
    ],
)
def test_each_value_that_pages_read_must_be_given_to_the_build(args: str, said: str, tmp_path: Path) -> None:
    files = {
        "Dockerfile": PAGES.format(args=args),
        "package.json": '{"scripts": {"build": "vite build"}, "devDependencies": {"vite": "7.0.0"}}',
        "src/main.ts": "fetch(import.meta.env.VITE_API); show(import.meta.env.VITE_MAPS, import.meta.env.MODE)\n",
    }
    rule = next(rule for rule in all_rules() if rule.id == "leaky-builder-stage")

    (found,) = planned(tmp_path, {name: text.encode() for name, text in files.items()}, [rule]).taken

    cure = found.finding.cure
    assert isinstance(cure, Fix)
    assert (said in " ".join(cure.todo)) if said else cure.todo == ()


@pytest.mark.parametrize(
    ("variables", "leaks"),
    [
        ("SECRET_KEY=\nDEBUG=1\nDATABASE_URL=sqlite:///shop.db\n", False),
        ("SECRET_KEY=only-for-the-build\n", False),
        ("SECRET_KEY=k3jd93kd9sk\n", True),
        ("DATABASE_URL=postgres://shop:hd83hs@db.shop.example/shop\n", True),
        ("", True),
        (None, True),
    ],
)
def test_a_file_of_variables_that_is_in_the_repository_says_what_leaks(
    variables: str | None, leaks: bool, tmp_path: Path
) -> None:
    image = (
        "FROM python:3.12\nWORKDIR /app\nCOPY conf/.env.image .env\nCOPY serve.py .\nUSER 1000\nCMD python serve.py\n"
    )
    files = {"Dockerfile": image, "serve.py": "serve()\n"}
    if variables is not None:
        files["conf/.env.image"] = variables
    rule = next(rule for rule in all_rules() if rule.id == "leaky-builder-stage")

    left = planned(tmp_path, {name: text.encode() for name, text in files.items()}, [rule]).left

    assert [each.finding.message for each in left] == ["COPY puts conf/.env.image into a layer"] * leaks


def test_a_front_end_reads_no_variables_of_the_settings_beside_it(tmp_path: Path) -> None:
    image = 'FROM node:22-alpine\nWORKDIR /app\nCOPY . .\nUSER node\nCMD ["node", "{}"]\n'
    files = {
        "backend/manage.py": "import os\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings')\n",
        "backend/shop/settings.py": "from dotenv import load_dotenv\n\nload_dotenv()\nDATABASES = {}\n",
        "backend/Dockerfile": image.format("manage.py"),
        "portal/Dockerfile": image.format("server.js"),
        "portal/server.js": "listen(8000)\n",
    }
    rule = next(rule for rule in all_rules() if rule.id == "leaky-builder-stage")

    made = planned(tmp_path, {name: text.encode() for name, text in files.items()}, [rule]).taken

    said = {each.finding.path: " ".join(getattr(each.finding.cure, "todo", ())) for each in made}
    assert {path: "reads a .env" in todo for path, todo in said.items()} == {
        "backend/Dockerfile": True,
        "portal/Dockerfile": False,
    }


@pytest.mark.parametrize(
    ("settings", "ignored", "said"),
    [
        ("load_dotenv(BASE_DIR / '.env')", ".env\n", False),
        ("load_dotenv(BASE_DIR / '.env')", "*.log\n", True),
        ("load_dotenv()", ".env\n", True),
        ("load_dotenv()", ".env\nshop/.env\n", False),
        ("load_dotenv(Path(__file__).parent / '.env')", ".env\n", True),
    ],
)
def test_a_file_of_variables_that_was_left_out_already_fed_no_settings(
    settings: str, ignored: str, said: bool, tmp_path: Path
) -> None:
    head = "from pathlib import Path\nfrom dotenv import load_dotenv\n\nBASE_DIR = Path(__file__).parents[1]\n"
    files = {
        "Dockerfile": 'FROM python:3.13\nCOPY portal portal\nCOPY . .\nUSER 1000\nCMD ["gunicorn", "shop.wsgi"]\n',
        ".dockerignore": ignored,
        "manage.py": "import os\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings')\n",
        "shop/settings.py": f"{head}{settings}\nDATABASES = {{}}\n",
        "portal/package.json": "{}\n",
    }
    rule = next(rule for rule in all_rules() if rule.id == "leaky-builder-stage")

    (made,) = planned(tmp_path, {name: text.encode() for name, text in files.items()}, [rule]).taken

    assert isinstance(made.finding.cure, Fix)
    assert ("reads a .env" in " ".join(made.finding.cure.todo)) is said


@pytest.mark.parametrize(
    ("main", "compose", "said"),
    [
        ("print('hello')\n", "services: {web: {build: .}}\n", ""),
        ("load_dotenv()\n", "services: {web: {build: .}}\n", "gives 'web' no variables"),
        ("load_dotenv()\n", "services: {web: {build: ., environment: {A: b}}}\n", "gives 'web' no file of variables"),
        ("load_dotenv()\n", "services: {web: {build: ., env_file: .env}}\n", ""),
        ("load_dotenv()\n", "services: {web: {build: ., volumes: ['./.env:/app/.env']}}\n", ""),
    ],
)
def test_a_program_that_reads_a_file_of_variables_must_be_given_it(
    main: str, compose: str, said: str, tmp_path: Path
) -> None:
    dockerfile = 'FROM python:3.13-slim\nWORKDIR /app\nCOPY . .\nUSER 1000\nCMD ["python", "main.py"]\n'
    files = {"Dockerfile": dockerfile, "main.py": main, "compose.yaml": compose}
    rule = next(rule for rule in all_rules() if rule.id == "leaky-builder-stage")

    (found,) = planned(tmp_path, {name: text.encode() for name, text in files.items()}, [rule]).taken

    cure = found.finding.cure
    assert isinstance(cure, Fix)
    assert (said in " ".join(cure.todo)) if said else cure.todo == ()


def test_a_dockerfile_that_would_fill_memory_or_time_is_read_in_a_moment(tmp_path: Path) -> None:
    doubled = "".join(f"ARG A{at}=${{A{at - 1}}}${{A{at - 1}}}\n" for at in range(1, 45))
    stages = "".join(f"FROM s{at - 1} AS s{at}\n" for at in range(1, 1200))
    long = f"RUN echo {'a' * 40_000}\n"
    text = f'FROM debian:13 AS s0\nARG A0=x\n{doubled}WORKDIR /$A44\nCOPY\n{long}{stages}CMD ["x"]\n'
    rules = [rule for rule in all_rules() if rule.pack == "docker"]

    found = planned(tmp_path, {"Dockerfile": text.encode()}, rules)

    assert found.faults == ()
    assert "working folder" in str(found.left[0].finding.cure)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("Makefile", "TAG ?= tool\nimage:\n\tdocker build -f build/tool.Dockerfile -t $(TAG) .\n"),
        ("build/image.sh", '#!/bin/sh\ncd "$(dirname "$0")/.."\ndocker buildx build --file build/tool.Dockerfile .\n'),
        ("package.json", '{"scripts": {"image": "docker build -f build/tool.Dockerfile ."}}'),
    ],
)
def test_builds_of_makefiles_and_scripts_say_the_context(path: str, text: str, tmp_path: Path) -> None:
    files = {path.replace("/", "__"): text, "build__tool.Dockerfile": "FROM a\nCOPY . .\n", "tool.py": ""}

    assert builds(tmp_path, **files).of("build/tool.Dockerfile")[0].context == ""


def test_a_folder_of_dockerfiles_that_nobody_builds_has_no_context_that_is_known(tmp_path: Path) -> None:
    files = {"build__tool.Dockerfile": "FROM a\nCOPY . .\n", "tool.py": ""}

    assert builds(tmp_path, **files).of("build/tool.Dockerfile")[0].context is None


@pytest.mark.parametrize(
    ("documentation", "found"),
    [
        ('Run it: `docker run --rm -v "$PWD:/src" acme/tool check`\n', 0),
        ("```\ndocker run -it \\\n  --volume $(pwd):/src tool\n```\n", 0),
        ("docker run -d -p 8000:8000 acme/tool\n", 1),
    ],
)
def test_a_tool_that_works_on_the_folder_of_its_caller_is_left_alone(
    documentation: str, found: int, tmp_path: Path
) -> None:
    text = 'FROM python:3.12-slim\nWORKDIR /app\nCOPY tool.py .\nENTRYPOINT ["python", "tool.py"]\n'
    rule = next(rule for rule in all_rules() if rule.id == "root-user")
    files = {"Dockerfile": text.encode(), "tool.py": b"", "README.md": documentation.encode()}

    plan = planned(tmp_path, files, [rule])

    assert len(plan.taken) + len(plan.left) == found


@pytest.mark.parametrize(
    ("service", "tier"),
    [
        (None, Tier.REVIEW),
        ("", Tier.REVIEW),
        ("    env_file: .env\n", Tier.SAFE),
        ("    volumes: ['.:/app']\n", Tier.SAFE),
        ("    environment: {BROKER: redis}\n", Tier.REVIEW),
        ("    environment: {SECRET_KEY: '${SECRET_KEY}'}\n", Tier.SAFE),
    ],
)
def test_what_only_the_image_gives_to_the_settings_is_asked_for(
    tmp_path: Path, service: str | None, tier: Tier
) -> None:
    rule = next(rule for rule in all_rules() if rule.id == "leaky-builder-stage")
    files = {
        "manage.py": "",
        "shop/settings.py": "import os\nfrom dotenv import load_dotenv\nload_dotenv()\n"
        "INSTALLED_APPS = []\nMIDDLEWARE = []\nSECRET_KEY = os.environ['SECRET_KEY']\n",
        "Dockerfile": 'FROM python:3.13\nWORKDIR /app\nCOPY . .\nCMD ["gunicorn", "shop.wsgi"]\n',
        "compose.yaml": f"services:\n  web:\n    build: .\n{service}",
    }
    if service is None:
        del files["compose.yaml"]
    (taken,) = planned(tmp_path, {path: text.encode() for path, text in files.items()}, [rule]).taken

    assert isinstance(taken.finding.cure, Fix)
    assert taken.finding.cure.tier is tier


def test_what_the_image_gives_is_asked_of_what_is_deployed_before_what_is_for_development(tmp_path: Path) -> None:
    rule = next(rule for rule in all_rules() if rule.id == "leaky-builder-stage")
    compose = "services:\n  web:\n    build: .\n"
    files = {
        "manage.py": "",
        "shop/settings.py": "from dotenv import load_dotenv\nload_dotenv()\nINSTALLED_APPS = []\nMIDDLEWARE = []\n",
        "Dockerfile": 'FROM python:3.13\nWORKDIR /app\nCOPY . .\nCMD ["gunicorn", "shop.wsgi"]\n',
        "docker-compose.dev.yml": compose,
        "docker-compose.yml": compose,
    }
    (taken,) = planned(tmp_path, {path: text.encode() for path, text in files.items()}, [rule]).taken

    assert isinstance(taken.finding.cure, Fix)
    assert [each.partition(" ")[0] for each in taken.finding.cure.todo] == ["docker-compose.yml"]


def test_an_ignore_file_that_serves_two_images_is_one_finding_and_one_fix(tmp_path: Path) -> None:
    """The second build does not add to the count, and is named."""
    rule = next(rule for rule in all_rules() if rule.id == "leaky-builder-stage")
    case = next(case for case in CASES if case.name == "leaky-builder-stage/one-ignore-file-for-two")
    plan = planned(tmp_path, case.before, [rule])

    found = engine.check(Repository(tmp_path), [rule]).findings

    assert [each.id for each in found] == [each.id for each in plan.taken]
    assert plan.left == ()
    assert found[0].finding.message.endswith("; worker/Dockerfile does the like")


def test_many_wildcards_mean_what_few_mean_and_take_no_longer() -> None:
    """Short patterns and names, matched in both ways; then one that tries all ways to share a name would not end."""
    names = ["".join(letters) for size in (1, 2, 3, 4) for letters in itertools.product("ab/", repeat=size)]
    for size in (1, 2, 3):
        for parts in itertools.product(("a", "b", "/", "*", "**", "**/", "?", "[ab]"), repeat=size):
            for pattern in read_ignore(["".join(parts)]):
                if pattern.regex is not None:
                    by_regex = [pattern.regex.fullmatch(name) is not None for name in names]
                    assert by_regex == [_matches(pattern.tokens, name) for name in names], pattern.text

    (hostile,) = read_ignore(["*a" * 30 + "*b"])
    assert not hostile.matches("a" * 250)
    (folders,) = read_ignore(["**/a/" * 20 + "b"])
    assert not folders.matches("a/" * 100 + "c")


@pytest.mark.parametrize(
    ("tag", "names", "needed", "unknown"),
    [
        ("3.12-slim", ("gcc", "libpq-dev", "libpango1.0-dev"), ["libpq5", "libpango-1.0-0"], []),
        ("3.9-slim-bullseye", ("libwebp-dev",), ["libwebp6"], []),
        ("3.12-slim-bookworm", ("libwebp-dev", "libldap2-dev"), ["libwebp7", "libldap-2.5-0"], []),
        ("3.13-slim-trixie", ("libldap-dev",), ["libldap2"], []),
        ("3.12-slim", ("libldap2-dev",), [], ["libldap2-dev"]),  # it may be either of two releases
        ("3.6-slim-buster", ("libwebp-dev", "libpq-dev"), ["libpq5"], ["libwebp-dev"]),
    ],
)
def test_what_is_needed_at_run_time_is_named_as_in_the_release(
    tag: str, names: tuple[str, ...], needed: list[str], unknown: list[str]
) -> None:
    found, missing = needed_at_run_time(names, "debian", release_of(tag))
    assert ([each for each in needed if each not in found], missing) == ([], unknown)


NEXT = {
    "package.json": '{"dependencies": {"next": "15.5.4"}, "scripts": {"build": "next build", "start": "next start"}}\n',
    "Dockerfile": 'FROM node:22\nWORKDIR /app\nCOPY . .\nRUN npm ci\nRUN npm run build\nCMD ["npm", "start"]\n',
}


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({}, "standalone"),
        ({"package.json": NEXT["package.json"].replace("next start", "node server.js")}, "omit=dev"),
        ({"Dockerfile": NEXT["Dockerfile"].replace('"start"', '"run", "dev"')}, ""),
        ({"Dockerfile": f"{NEXT['Dockerfile']}FROM node:22-slim\nCOPY --from=0 /app /app\nCMD npm start\n"}, ""),
        ({"package.json": NEXT["package.json"].replace('"next"', '"other"')}, ""),
    ],
)
def test_pages_that_are_built_where_they_are_served(changed: dict[str, str], says: str, tmp_path: Path) -> None:
    files = {path: text.encode() for path, text in {**NEXT, **changed}.items()}
    found = planned(tmp_path, files, [rule for rule in all_rules() if rule.id == "single-stage-build"]).left
    steps = [each.finding.cure.next_step for each in found if isinstance(each.finding.cure, Blocked)]
    assert [says in step for step in steps] == ([True] if says else [])


def test_an_image_of_one_architecture_is_that_of_all() -> None:
    assert image("amd64/python:latest") == image("python:latest")


def test_a_file_of_variables_that_is_read_beside_the_settings_is_named(tmp_path: Path) -> None:
    files = {
        "Dockerfile": 'FROM python:3.13\nWORKDIR /app\nCOPY . .\nCMD ["gunicorn", "shop.wsgi"]\n',
        "compose.yml": "services:\n  web:\n    build: .\n    environment:\n      DB_HOST: db\n",
        "config.py": "from dotenv import dotenv_values\n\nHERE = dotenv_values('.env')\n",
        "manage.py": 'import os\n\nos.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")\n',
        "shop/__init__.py": "",
        "shop/settings.py": "import config\n\nSECRET_KEY = config.HERE['SECRET_KEY']\nINSTALLED_APPS = []\n",
    }
    rules = [rule for rule in all_rules() if rule.id == "leaky-builder-stage"]

    (reported,) = planned(tmp_path, {path: text.encode() for path, text in files.items()}, rules).taken

    assert isinstance(reported.finding.cure, Fix)
    assert reported.finding.cure.tier is Tier.REVIEW
    assert any("config.py reads one" in each for each in reported.finding.cure.todo)


def test_an_image_that_is_called_after_another_folder_is_not_this_one(tmp_path: Path) -> None:
    compose = "services:\n  scanner:\n    image: larch/shop_scanner:test\n"
    dockerfile = "FROM python:3.12\nCMD python main.py\n"
    found = builds(
        tmp_path / "larch",
        **{
            "scanner/Dockerfile": dockerfile,
            "mailer/Dockerfile": dockerfile,
            "docker/Dockerfile": dockerfile,
            "compose.yml": compose,
        },
    )

    met = {build.path: found.stranger_to(build) is not None for build in found.builds}

    assert met == {"scanner/Dockerfile": True, "mailer/Dockerfile": False, "docker/Dockerfile": False}


def test_an_image_that_is_called_after_one_dockerfile_is_not_another(tmp_path: Path) -> None:
    dockerfile = "FROM python:3.12\nCMD python main.py\n"
    found = builds(
        tmp_path / "larch",
        **{
            "Dockerfile.docs": dockerfile,
            "Dockerfile.pe": dockerfile,
            "site/Dockerfile": dockerfile,
            "compose.yml": "services:\n  run: {image: '$REGISTRY/pe-staging:1'}\n",
        },
    )

    met = {build.path: found.stranger_to(build) is not None for build in found.builds}

    assert met == {"Dockerfile.docs": False, "Dockerfile.pe": True, "site/Dockerfile": False}


def test_only_volumes_that_are_written_to_are_handed_over(tmp_path: Path) -> None:
    text = 'FROM python:3.13-slim\nWORKDIR /app\nCOPY . .\nEXPOSE 8000\nCMD ["python", "server.py"]\n'
    compose = (
        "services:\n  web:\n    build: .\n    volumes: ['pages:/app/pages', 'mirrors:/app/mirrors:ro']\n"
        "  proxy:\n    image: nginx\n    volumes: ['pages:/pages:ro']\nvolumes:\n  pages:\n  mirrors:\n"
    )
    rule = next(rule for rule in all_rules() if rule.id == "root-user")
    files = {"Dockerfile": text, "server.py": "run()\n", "compose.yml": compose}

    (taken,) = planned(tmp_path, {path: each.encode() for path, each in files.items()}, [rule]).taken

    assert isinstance(taken.finding.cure, Fix)
    assert [each for each in taken.finding.cure.todo if each.startswith("volumes")] == [
        "volumes that exist already keep their owner: chown pages to 10001:10001 once, and see that 'proxy', which "
        "mounts the same, still can use what is there"
    ]


def test_an_image_without_an_owner_that_is_called_after_the_repository_or_a_folder_may_be_of_here(
    tmp_path: Path,
) -> None:
    pods = """\
apiVersion: v1
kind: Pod
metadata: {name: shop}
spec:
  containers:
    - {name: own, image: "larch-shop:latest", imagePullPolicy: Never}
    - {name: folder, image: mailer}
    - {name: cache, image: "redis:7"}
    - {name: other, image: adminer}
"""
    dockerfile = "FROM python:3.12\nCMD python main.py\n"
    found = builds(tmp_path / "LarchShop", **{"mailer/Dockerfile": dockerfile, "k8s/shop.yaml": pods})

    assert [each.name for each in found.strangers] == ["own", "folder"]


def test_pipelines_of_other_forges_are_named_where_they_start_containers(tmp_path: Path) -> None:
    files = {
        "Dockerfile": 'FROM python:3.13\nWORKDIR /app\nCOPY . .\nCMD ["python", "-m", "http.server", "8000"]\n',
        "compose.yml": "services:\n  web:\n    build: .\n    image: larch/shop\n",
        ".gitlab-ci.yml": "test:\n  script: [docker run --rm larch/shop pytest]\n",
        "cloudbuild.yaml": "steps:\n  - name: gcr.io/cloud-builders/gcloud\n",
    }
    rules = [rule for rule in all_rules() if rule.id == "root-user"]

    (reported,) = planned(tmp_path, {path: text.encode() for path, text in files.items()}, rules).taken

    assert isinstance(reported.finding.cure, Fix)
    assert reported.finding.cure.tier is Tier.REVIEW
    (todo,) = reported.finding.cure.todo
    assert todo.startswith(".gitlab-ci.yml starts containers")


def test_secrets_of_the_host_are_said_to_keep_their_owner(tmp_path: Path) -> None:
    compose = """\
services:
  web:
    build: .
    secrets: [password, {source: key, target: shop.key}, elsewhere]
secrets:
  password: {file: ./password.txt}
  key: {file: ./shop.key}
  elsewhere: {external: true}
"""
    files = {
        "Dockerfile": 'FROM python:3.13\nWORKDIR /app\nCOPY . .\nCMD ["python", "-m", "http.server", "8000"]\n',
        "compose.yml": compose,
    }
    rules = [rule for rule in all_rules() if rule.id == "root-user"]

    (reported,) = planned(tmp_path, {path: text.encode() for path, text in files.items()}, rules).taken

    assert isinstance(reported.finding.cure, Fix)
    assert reported.finding.cure.todo == (
        "compose.yml mounts ./password.txt and ./shop.key into 'web': the files there keep the owner of the host",
    )


_SHELF = (
    "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: shelf\nspec:\n  template:\n    spec:\n"
    "      {{- with .Values.security }}\n      securityContext:\n        {{- toYaml . | nindent 8 }}\n"
    "      {{- end }}\n"
    '      containers:\n        - name: shelf\n          image: "{{ .Values.image }}"\n'
    '          {{- include "covers" . | nindent 10 }}\n'
    '      {{- include "kept" . | nindent 6 }}\n'
)
_KEPT = (
    '{{- define "covers" }}\n{{- if .Values.kept }}\nvolumeMounts:\n  - name: covers\n    mountPath: /app/covers\n'
    '{{- end }}\n{{- end }}\n{{- define "kept" }}\n{{- if .Values.kept }}\nvolumes:\n  - name: covers\n'
    "    persistentVolumeClaim:\n      claimName: covers\n{{- end }}\n{{- end }}\n"
)


@pytest.mark.parametrize(
    ("template", "values", "said"),
    [
        (_SHELF, "kept: true\nsecurity: {}\n", "mounts the volume covers over /app/covers, where only root can write"),
        (_SHELF, "kept: true\nsecurity: {fsGroup: 10001}\n", ""),
        (_SHELF, "kept: false\nsecurity: {}\n", "may mount more with other values of its chart: fsGroup: 10001"),
        (f"{_SHELF}{{{{ if }}}}\n", "kept: true\n", "charts/shelf/templates/shelf.yaml is a template"),
    ],
    ids=["mounted", "with a group", "by other values", "not to be read"],
)
def test_volumes_of_a_chart_that_may_run_the_image_are_named(
    template: str, values: str, said: str, tmp_path: Path
) -> None:
    files = {
        "Dockerfile": 'FROM python:3.13-slim\nWORKDIR /app\nCOPY . .\nEXPOSE 8000\nCMD ["python", "server.py"]\n',
        "server.py": "run()\n",
        "charts/shelf/Chart.yaml": "apiVersion: v2\nname: shelf\nversion: 1.0.0\n",
        "charts/shelf/values.yaml": f"image: registry.example/shelf:1\n{values}",
        "charts/shelf/templates/shelf.yaml": template,
        "charts/shelf/templates/_kept.tpl": _KEPT,
    }
    rule = next(rule for rule in all_rules() if rule.id == "root-user")

    found = planned(tmp_path, {name: text.encode() for name, text in files.items()}, [rule])

    cures = [each.finding.cure for each in found.taken]
    told = " ".join(todo for cure in cures if isinstance(cure, Fix) for todo in cure.todo)
    blocked = " ".join(each.finding.cure.reason for each in found.left if isinstance(each.finding.cure, Blocked))
    assert said in f"{told} {blocked}"
    assert said or "volume" not in told
