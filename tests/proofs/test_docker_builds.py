"""What root-user, leaky-builder-stage and single-stage-build write, built and run.

The process is not root, can write where it must, and finds what was compiled for it.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from textwrap import dedent

import pytest

from fixer.registry import all_rules
from tests.components import path
from tests.fixture_cases import CASES, Case, planned, write
from tests.proofs import images
from tests.proofs.images import Image, build
from tests.proofs.postgres import free_port

RULES = {rule.id: rule for rule in all_rules()}
BUILT = pytest.mark.needs("buildah", "mmdebstrap", "root")

# Says who runs it, then writes into each folder that it is given.
PROGRAM = dedent(
    """\
    import os, sys
    print(os.getuid())
    for folder in sys.argv[1:]:
        with open(os.path.join(folder, "written"), "w") as file:
            file.write("x")
    """
)


@pytest.fixture(autouse=True, scope="module")
def _nothing_is_left_behind() -> Iterator[None]:
    yield
    if images.KEPT.exists():
        images.forget()


def fixed(folder: Path, files: Mapping[str, str], *rules: str) -> Path:
    """A folder with these files as the rules leave them. The rules must have changed something."""
    found = planned(folder, {name: text.encode() for name, text in files.items()}, [RULES[rule] for rule in rules])
    assert found.faults == ()
    assert found.files, [reported.finding.cure for reported in found.left]
    write(folder, {name: change.after.to_bytes() for name, change in found.files.items()})
    return folder


def before(folder: Path, files: Mapping[str, str], name: str, context: str = ".") -> Image:
    write(folder / "before", {path: text.encode() for path, text in files.items()})
    build(folder / "before" / context, f"{name}-before")
    return Image(f"{name}-before")


def after(
    folder: Path,
    files: Mapping[str, str],
    name: str,
    rule: str,
    context: str = ".",
    lent: Mapping[str, Path] | None = None,
) -> Image:
    build(fixed(folder / "after", files, rule) / context, f"{name}-after", lent)
    return Image(f"{name}-after")


@BUILT
def test_a_user_is_made_on_debian_and_owns_the_folder_the_code_and_the_volume(tmp_path: Path) -> None:
    images.debian("python:3.12-slim")
    dockerfile = """\
        FROM python:3.12-slim
        WORKDIR /app
        RUN mkdir -p media/small
        COPY list.txt .
        COPY src/ ./src/
        CMD ["python", "src/main.py", "/app", "/app/src", "/app/media/small", "/app/uploads", "/tmp"]
        """
    compose = "services:\n  api:\n    build: ./api\n    volumes: ['uploads:/app/uploads']\nvolumes: {uploads: }\n"
    files = {
        "api/Dockerfile": dedent(dockerfile),
        "api/src/main.py": PROGRAM,
        "api/list.txt": "",
        "compose.yaml": compose,
    }
    old = before(tmp_path, files, "made-on-debian", context="api")
    new = after(tmp_path, files, "made-on-debian", "root-user", context="api")

    assert old.run("id", "-u") == "0\n"
    assert new.run() == "10001\n"
    assert new.run("sh", "-c", "id -un; cd; pwd") == "app\n/home/app\n"


@BUILT
def test_files_made_while_building_belong_to_the_user(tmp_path: Path) -> None:
    images.debian("python:3.12-slim")
    dockerfile = """\
        FROM python:3.12-slim
        WORKDIR /srv/shop
        COPY . .
        RUN python main.py /srv/shop && python -c "import os; os.makedirs('static/css')"
        CMD ["python", "main.py", "/srv/shop", "/srv/shop/static/css"]
        """
    files = {"Dockerfile": dedent(dockerfile), "main.py": PROGRAM}
    old = before(tmp_path, files, "made-later")
    new = after(tmp_path, files, "made-later", "root-user")

    assert old.run().startswith("0\n")
    assert new.run() == "10001\n"


@BUILT
def test_what_can_be_built_by_the_user_is_in_the_image_once(tmp_path: Path) -> None:
    images.debian("python:3.12-slim")
    dockerfile = """\
        FROM python:3.12-slim
        WORKDIR /srv/shop
        COPY . .
        RUN mkdir -p static/css && cp main.py static/css/
        CMD ["python", "main.py", "/srv/shop", "/srv/shop/static/css"]
        """
    files = {"Dockerfile": dedent(dockerfile), "main.py": PROGRAM}
    new = after(tmp_path, files, "made-by-the-user", "root-user")

    assert new.run() == "10001\n"
    assert new.run("stat", "-c", "%U", "main.py", "static/css/main.py").split() == ["app", "app"]


@BUILT
def test_folders_that_variables_name_belong_to_the_user(tmp_path: Path) -> None:
    images.debian("python:3.12-slim")
    dockerfile = """\
        FROM python:3.12-slim
        ENV DATABASE_URL=sqlite:////data/site.db UPLOAD_DIR=/srv/uploads
        COPY . /site
        RUN chmod u+x /site/start.sh
        WORKDIR /site/web
        CMD ["/site/start.sh"]
        """
    start = "#!/bin/sh\nexec python /site/main.py /data /srv/uploads /site /site/web\n"
    files = {"Dockerfile": dedent(dockerfile), "main.py": PROGRAM, "start.sh": start}
    new = after(tmp_path, files, "named", "root-user")

    assert new.run() == "10001\n"


@BUILT
def test_whom_files_are_given_to_runs(tmp_path: Path) -> None:
    images.debian("python:3.12-slim")
    dockerfile = """\
        FROM python:3.12-slim
        WORKDIR /app
        COPY --chown=nobody:nogroup . .
        CMD ["python", "main.py", "/app"]
        """
    new = after(tmp_path, {"Dockerfile": dedent(dockerfile), "main.py": PROGRAM}, "given", "root-user")

    assert new.run() == "65534\n"
    assert new.run("stat", "-c", "%U:%G", "/app/main.py") == "nobody:nogroup\n"


@BUILT
def test_the_user_of_the_image_is_taken(tmp_path: Path) -> None:
    images.debian("python:3.12-slim")
    images.with_user("localhost/python:3.12-slim", "node:22-slim", "node", 1000)
    dockerfile = """\
        FROM node:22-slim
        WORKDIR /app
        COPY . .
        CMD ["python", "main.py", "/app"]
        """
    files = {"Dockerfile": dedent(dockerfile), "main.py": PROGRAM}
    new = after(tmp_path, files, "has-a-user", "root-user")

    assert new.run() == "1000\n"
    assert new.run("stat", "-c", "%U:%G", "/app/main.py") == "node:node\n"


@BUILT
def test_a_user_that_was_left_is_taken_again(tmp_path: Path) -> None:
    images.debian("debian:bookworm-slim")
    files = {path: data.decode() for path, data in case("root-user/root-last").before.items()}
    files["Dockerfile"] = files["Dockerfile"].replace(
        "apt-get update && apt-get install -y --no-install-recommends curl", "id -u"
    )
    files["fetch.sh"] = "#!/bin/sh\nid -un\necho x > feed.xml\n"
    new = after(tmp_path, files, "left", "root-user")

    assert new.run("sh", "fetch.sh") == "feeds\n"


@BUILT
def test_a_stage_made_from_another_runs_without_root(tmp_path: Path) -> None:
    images.debian("python:3.12-slim")
    dockerfile = """\
        FROM python:3.12-slim AS base
        WORKDIR /code
        COPY . .
        FROM base AS worker
        VOLUME /var/lib/jobs
        CMD ["python", "main.py", "/code", "/var/lib/jobs"]
        """
    files = {"Dockerfile": dedent(dockerfile), "main.py": PROGRAM}
    new = after(tmp_path, files, "inherits", "root-user")

    assert new.run() == "10001\n"


@BUILT
@pytest.mark.needs("gcc")
def test_a_user_is_made_by_busybox_and_owns_the_volume(tmp_path: Path) -> None:
    images.alpine("alpine:3.21")
    dockerfile = """\
        FROM alpine:3.21
        COPY notes /usr/local/bin/notes
        VOLUME /var/lib/notes
        ENTRYPOINT ["sh", "/usr/local/bin/notes"]
        """
    notes = "#!/bin/sh\nset -e\nid -u\nid -un\ntouch /var/lib/notes/one /tmp/two ~/three\n"
    dockerfile = dedent(dockerfile)
    files = {"Dockerfile": dockerfile, "notes": notes}
    old = before(tmp_path, files, "on-busybox")
    new = after(tmp_path, files, "on-busybox", "root-user")

    assert old.run() == "0\nroot\n"
    assert new.run() == "10001\napp\n"


@BUILT
@pytest.mark.needs("gcc")
def test_an_image_of_one_file_runs_under_a_number(tmp_path: Path) -> None:
    images.alpine("alpine:3.21")
    dockerfile = """\
        FROM alpine:3.21 AS build
        FROM scratch
        COPY --from=build /bin/busybox /busybox
        ENTRYPOINT ["/busybox", "id", "-u"]
        """
    files = {"Dockerfile": dedent(dockerfile)}
    old = before(tmp_path, files, "one-file")
    new = after(tmp_path, files, "one-file", "root-user")

    assert old.run() == "0\n"
    assert new.run() == "10001\n"


@BUILT
def test_secrets_stay_out_of_every_folder_of_the_image(tmp_path: Path) -> None:
    images.debian("python:3.12-slim")
    lying_about = {
        ".env": "KEY=1",
        "src/.env.local": "KEY=2",
        "src/tls.key": "3",
        ".git/config": "4",
        "src/.env.example": "",
    }
    files = {
        "Dockerfile": 'FROM python:3.12-slim\nWORKDIR /app\nCOPY . .\nCOPY src ./again\nUSER nobody\nCMD ["id"]\n',
        "src/main.py": PROGRAM,
        ".dockerignore": ".env\n.git\n",
    }
    listing = ("find", "/app", "-type", "f", "-printf", "%P\n")
    for folder in ("before", "after"):
        target = tmp_path / folder
        write(target, {name: text.encode() for name, text in files.items()})
        if folder == "after":
            fixed(target, files, "leaky-builder-stage")
        write(target, {name: text.encode() for name, text in lying_about.items()})
        build(target, f"leaks-{folder}")

    leaked = {"src/.env.local", "src/tls.key", "again/.env.local", "again/tls.key"}
    wanted = {"src/main.py", "again/main.py", "src/.env.example", "again/.env.example", "Dockerfile", ".dockerignore"}
    assert set(Image("leaks-before").run(*listing).split()) == leaked | wanted
    assert set(Image("leaks-after").run(*listing).split()) == wanted


@BUILT
def test_an_image_is_the_same_when_a_builder_copies_only_its_list(tmp_path: Path) -> None:
    images.debian("python:3.12", "python:3.12-slim")
    pip = "#!/bin/sh\nmkdir -p /wheels && cp requirements.txt /wheels/installed\n"
    stand_in = "FROM python:3.12\nCOPY pip /usr/bin/pip\n"
    files = {path: data.decode() for path, data in case("leaky-builder-stage/everything-for-a-list").before.items()}
    files["Dockerfile"] = files["Dockerfile"].replace("RUN pip install --no-index /wheels/*.whl\n", "")
    write(tmp_path / "base", {"Dockerfile": stand_in.encode(), "pip": pip.encode()})
    (tmp_path / "base/pip").chmod(0o755)
    build(tmp_path / "base", "localhost/python:3.12-with-pip")
    files["Dockerfile"] = files["Dockerfile"].replace("FROM python:3.12 AS", "FROM python:3.12-with-pip AS")
    old = before(tmp_path, files, "narrowed")
    new = after(tmp_path, files, "narrowed", "leaky-builder-stage")

    listing = ("sh", "-c", "find /app /wheels -type f -exec sha256sum {} + | sort")
    assert "/wheels/installed" in old.run(*listing)
    assert old.run(*listing) == new.run(*listing)


def case(name: str) -> Case:
    return next(case for case in CASES if case.name == name)


@pytest.mark.needs("hadolint")
@pytest.mark.parametrize(
    "name", [case.name for case in CASES if case.rule_id in ("root-user", "leaky-builder-stage") and case.after]
)
def test_hadolint_finds_no_more_than_before(name: str, tmp_path: Path) -> None:
    found = case(name)
    for file in found.before:
        if not file.lower().endswith("dockerfile"):
            continue
        assert set(lint(found.after.get(file, found.before[file]))) <= set(lint(found.before[file]))


def lint(dockerfile: bytes) -> list[str]:
    """The codes of what hadolint has to say."""
    command = [path("hadolint"), "--no-color", "-"]
    answer = subprocess.run(command, input=dockerfile, capture_output=True, check=False).stdout.decode()
    return [line.split()[1] for line in answer.splitlines()]


# -- stages -------------------------------------------------------------------------------------------------------

# A package that is compiled against libpq, and starts by a script of its own.
DRIVER = {
    "driver/pyproject.toml": dedent(
        """\
        [project]
        name = "driver"
        version = "1"

        [build-system]
        requires = []
        build-backend = "backend"
        backend-path = ["."]
        """
    ),
    "driver/backend.py": dedent(
        """\
        import subprocess, sysconfig, zipfile

        FILES = {
            "METADATA": "Metadata-Version: 2.1\\nName: driver\\nVersion: 1\\n",
            "WHEEL": "Wheel-Version: 1.0\\nRoot-Is-Purelib: false\\nTag: py3-none-any\\n",
            "entry_points.txt": "[console_scripts]\\ndriver = started:main\\n",
        }

        def build_wheel(folder, config_settings=None, metadata_directory=None):
            include = f"-I{sysconfig.get_path('include')} -I/usr/include/postgresql"
            subprocess.run(f"gcc -shared -fPIC {include} driver.c -lpq -o driver.so".split(), check=True)
            with zipfile.ZipFile(f"{folder}/driver-1-py3-none-any.whl", "w") as wheel:
                for name in ("driver.so", "started.py"):
                    wheel.write(name)
                for name, text in FILES.items():
                    wheel.writestr(f"driver-1.dist-info/{name}", text)
                record = "driver-1.dist-info/RECORD"
                wheel.writestr(record, "".join(f"{name},,\\n" for name in (*wheel.namelist(), record)))
            return "driver-1-py3-none-any.whl"
        """
    ),
    "driver/started.py": "def main():\n    import driver\n    print(open('greeting').read(), driver.version())\n",
    "driver/driver.c": dedent(
        """\
        #include <Python.h>
        #include <libpq-fe.h>
        static PyObject *version(PyObject *self, PyObject *none) { return PyLong_FromLong(PQlibVersion()); }
        static PyMethodDef methods[] = {{"version", version, METH_NOARGS, ""}, {NULL, NULL, 0, NULL}};
        static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "driver", "", -1, methods};
        PyMODINIT_FUNC PyInit_driver(void) { return PyModule_Create(&module); }
        """
    ),
    "greeting": "libpq",
}
PROJECT = dedent(
    """\
    [project]
    name = "shop"
    version = "1"
    requires-python = ">=3.11"
    dependencies = ["driver"]

    [tool.poetry]
    package-mode = false
    dependencies.driver.path = "driver"

    [tool.uv.sources]
    driver = { path = "driver" }
    """
)
POETRY_LOCK = dedent(
    """\
    [[package]]
    name = "driver"
    version = "1"
    description = ""
    optional = false
    python-versions = "*"
    groups = ["main"]
    files = []
    develop = false

    [package.source]
    type = "directory"
    url = "driver"

    [metadata]
    lock-version = "2.1"
    python-versions = ">=3.11"
    content-hash = "1272b91a7d36ce80d1e2ebacf37a34596d0451407dfaf37a94f60fb1d23031b1"
    """
)
UV_LOCK = dedent(
    """\
    version = 1
    revision = 3
    requires-python = ">=3.11"

    [[package]]
    name = "driver"
    version = "1"
    source = { directory = "driver" }

    [[package]]
    name = "shop"
    version = "1"
    source = { virtual = "." }
    dependencies = [{ name = "driver" }]

    [package.metadata]
    requires-dist = [{ name = "driver", directory = "driver" }]
    """
)
UV = "ghcr.io/astral-sh/uv:0.8"


def compiled(*installs: str, **files: str) -> dict[str, str]:
    """An image of one stage in which a driver is compiled, and installed by these instructions."""
    lines = [
        "FROM python:3.12-slim-bookworm",
        "WORKDIR /app",
        "RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev libpq-dev python3-dev \\",
        "    && rm -rf /var/lib/apt/lists/*",
        "COPY driver driver",
        *installs,
        "COPY greeting .",
        'CMD ["driver"]',
    ]
    return {"Dockerfile": "\n".join(lines) + "\n", **DRIVER, **files}


# What people copy instead, or forget to: each builds, and does not start. A container costs time, so each is undone.
BAD_COPIES = {
    "without the library": "mv /usr/lib/*/libpq.so.5* /srv",
    "to another path": "mv /opt/venv /srv/venv; PATH=/srv/venv/bin:$PATH",
    "without the scripts": "rm -r /opt/venv/bin",
    "into the home of root": "chmod 700 /root; mv /opt/venv /root/venv; ln -s /root/venv /opt/venv",
    "a link to the sources": "rm /opt/venv/lib/python3*/site-packages/driver*.so",
}
START = "setpriv --reuid=65534 --regid=65534 --clear-groups driver"
LOOK = "driver; command -v gcc || echo no gcc; du -skx / | cut -f1"


WHOLE = (
    "cp -a /opt/venv /kept; ({spoiled}; "
    + START
    + " 2>/dev/null || echo red: {name}); "
    + "mv /srv/libpq.so.5* /usr/lib/*-linux-gnu/ 2>/dev/null; rm -rf /opt/venv /srv/venv /root/venv; mv /kept /opt/venv"
)
TRIES = [WHOLE.format(spoiled=spoiled, name=name) for name, spoiled in BAD_COPIES.items()]


@BUILT
def test_what_was_compiled_in_one_stage_starts_in_the_other(tmp_path: Path) -> None:
    images.python("python:3.12-slim-bookworm")
    files = compiled("RUN pip install ./driver")
    old = before(tmp_path, files, "one-stage")
    new = after(tmp_path, files, "one-stage", "single-stage-build")

    said, compiler, large = old.run("sh", "-c", LOOK).splitlines()
    same, none, small, *red, whole = new.run("sh", "-c", f"{LOOK}; {'; '.join(TRIES)}; {START}").splitlines()

    assert said.startswith("libpq 15")
    assert (same, whole) == (said, said)
    assert (compiler, none) == ("/usr/bin/gcc", "no gcc")
    assert int(small) < int(large) * 0.75
    assert red == [f"red: {name}" for name in BAD_COPIES]


@BUILT
@pytest.mark.needs("poetry")
def test_what_poetry_installed_in_one_stage_starts_in_the_other(tmp_path: Path) -> None:
    images.python("python:3.12-slim-bookworm")
    install = "RUN poetry config virtualenvs.create false && poetry install --only main"
    files = compiled(
        "RUN pip install poetry",
        "COPY pyproject.toml poetry.lock ./",
        install,
        **{"pyproject.toml": PROJECT, "poetry.lock": POETRY_LOCK},
    )
    new = after(tmp_path, files, "by-poetry", "single-stage-build", lent=images.wheels("poetry"))

    assert starts_without(new, "poetry")


@BUILT
@pytest.mark.needs("uv")
def test_what_uv_installed_in_one_stage_starts_in_the_other(tmp_path: Path) -> None:
    images.python("python:3.12-slim-bookworm")
    images.uv(UV)
    files = compiled(
        f"COPY --from={UV} /uv /uvx /bin/",
        "COPY pyproject.toml uv.lock ./",
        "RUN uv sync --frozen --no-dev --no-install-project",
        **{"pyproject.toml": PROJECT, "uv.lock": UV_LOCK},
    )
    new = after(tmp_path, files, "by-uv", "single-stage-build")

    assert starts_without(new, "uv")


def starts_without(image: Image, installer: str) -> bool:
    """Whether what was compiled starts as somebody else than root, where neither the compiler nor the installer is; and
    whether each bad copy does not."""
    gone = f"command -v gcc {installer} || echo gone"
    said, none, *red, whole = image.run("sh", "-c", f"{START}; {gone}; {'; '.join(TRIES)}; {START}").splitlines()
    assert said.startswith("libpq 15")
    assert red == [f"red: {name}" for name in BAD_COPIES]
    return (none, whole) == ("gone", said)


PAGES = {
    "Dockerfile": dedent(
        """\
        FROM node:22-bookworm-slim
        WORKDIR /srv/shop
        ENV NEXT_TELEMETRY_DISABLED=1
        COPY package.json package-lock.json ./
        RUN npm ci
        COPY . .
        RUN npm run build
        CMD ["npm", "run", "start"]
        """
    ),
    ".dockerignore": "node_modules\n",
    ".env": "GREETING=Hello\n",
    "package.json": json.dumps(
        {
            "scripts": {"build": "next build", "start": "next start"},
            "dependencies": {"next": "^15.5.0", "react": "^19.1.0", "react-dom": "^19.1.0"},
        }
    ),
    "package-lock.json": "{}",
    "next.config.mjs": "const config = { reactStrictMode: true };\n\nexport default config;\n",
    "app/layout.jsx": "export default ({ children }) => <html><body>{children}</body></html>;\n",
    "app/page.jsx": dedent(
        """\
        export const dynamic = "force-dynamic";
        export default () => <p>{process.env.GREETING} <img src="/logo.svg" alt="" /></p>;
        """
    ),
    "public/logo.svg": '<svg xmlns="http://www.w3.org/2000/svg"/>',
}
# Starts the server, asks for its page, a file of `public` and a script of the page, and says what came.
ASK = dedent(
    """\
    const server = require("node:child_process").spawn("node", ["server.js"], { stdio: "ignore" });
    const ended = new Promise((done) => server.on("exit", () => done("does not start")));
    const get = (path) => fetch(`http://127.0.0.1:${process.env.PORT}${path}`);
    const asked = async () => {
      let page;
      while (!(page = await get("/").catch(() => null))) await new Promise((done) => setTimeout(done, 20));
      const text = await page.text();
      const script = text.match(/\\/_next\\/static\\/[^"]+[.]js/)[0];
      const found = [page, await get("/logo.svg"), await get(script)];
      return [...found.map((each) => each.status), text.includes("Hello")].join(" ");
    };
    Promise.race([ended, asked()]).then((said) => { console.log(said); server.kill(); process.exit(); });
    """
)
BAD_PAGES = {
    "public": "200 404 200 true",
    ".next/static": "200 200 404 true",
    "node_modules": "does not start",
    "server.js": "does not start",
}


@BUILT
@pytest.mark.needs("next", "node")
def test_pages_are_served_by_a_stage_with_no_more_than_they_need(tmp_path: Path) -> None:
    images.node("node:22-bookworm-slim")
    modules = Path(path("next")).parent
    new = after(tmp_path, PAGES, "pages", "single-stage-build", lent={images.MODULES: modules})
    ask = f"HOSTNAME=127.0.0.1 PORT={free_port()} setpriv --reuid=65534 --regid=65534 --clear-groups node -e '{ASK}'"
    tries = [f"mv {gone} /tmp/gone; {ask}; mv /tmp/gone {gone}" for gone in BAD_PAGES]

    look = "echo $HOSTNAME; du -sk . | cut -f1"
    address, small, *said = new.run("sh", "-c", "; ".join([look, ask, *tries, ask])).splitlines()

    large = int(images.run("du", "-sk", modules).split()[0])
    assert new.start == ["node", "server.js"]
    assert address == "0.0.0.0"
    assert int(small) < large / 4
    assert said == ["200 200 200 true", *BAD_PAGES.values(), "200 200 200 true"]
