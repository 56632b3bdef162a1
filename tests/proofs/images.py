"""Base images without a registry, and a builder without a daemon.

A Debian root made by mmdebstrap stands for the images that are based on Debian, and busybox with the applets that
Alpine enables stands for Alpine. buildah builds and runs with chroot isolation, as root, on any file system. All of it
stays in `.proofs/images` and is used again.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.request import urlopen

from tests.components import path

ROOT = Path(__file__).parent.parent.parent
KEPT = ROOT / ".proofs/images"
# Debian's own busybox has no adduser; Alpine's has, from the same source.
BUSYBOX = "pool/main/b/busybox/busybox_1.35.0.orig.tar.bz2"
APPLETS = (
    "STATIC", "BUSYBOX", "LONG_OPTS", "ADDUSER", "ADDGROUP", "FEATURE_ADDUSER_TO_GROUP", "FEATURE_SHADOWPASSWDS",
    "FEATURE_ADDUSER_LONG_OPTIONS", "FEATURE_ADDGROUP_LONG_OPTIONS", "PASSWD", "ASH", "SH_IS_ASH", "CHOWN", "MKDIR",
    "ID", "TOUCH", "CAT", "LS", "ECHO", "TEST", "CP", "RM", "FIND", "FEATURE_INSTALLER",
)  # fmt: skip

WHEELS = "/wheels"
"""Where pip looks for packages in an image of Python."""
MODULES = "/modules"
NPM = f"""\
#!/bin/sh
set -e
case "$1" in
    ci) cp -r {MODULES} node_modules ;;
    run) PATH=$PWD/node_modules/.bin:$PATH exec sh -c "$(node -p "require('./package.json').scripts['$2']")" ;;
esac
"""

# Alpine's ranges, https://gitlab.alpinelinux.org/alpine/aports/-/blob/master/main/busybox/busyboxconfig
NUMBERS = {"LAST_ID": 64999, "FIRST_SYSTEM_ID": 100, "LAST_SYSTEM_ID": 999}


def run(*command: str | Path, cwd: Path | None = None) -> str:
    """The standard output; a failure tells everything that was said."""
    # Only what hangs is ended: on a busy machine a Debian root takes minutes.
    made = subprocess.run([str(word) for word in command], cwd=cwd, capture_output=True, text=True, timeout=1200)
    assert made.returncode == 0, f"{' '.join(map(str, command))}\n{made.stdout}\n{made.stderr}"
    return made.stdout


def buildah(*words: str | Path) -> str:
    return run(*_buildah(_driver()), *words)


def _buildah(driver: str) -> tuple[str | Path, ...]:
    storage = ("--root", KEPT / "storage" / driver, "--runroot", KEPT / "run" / driver)
    return (path("buildah"), *storage, "--storage-driver", driver)


@cache
def _driver() -> str:
    """Layers over one another where this file system can, and else a copy of the whole root for each."""
    told = subprocess.run([*_buildah("overlay"), "info"], capture_output=True, check=False)
    return "vfs" if told.returncode else "overlay"


def build(folder: Path, name: str, lent: Mapping[str, Path] | None = None) -> None:
    """Builds a folder as an image. Base images are only those that were made here; `lent` are folders of this machine
    that stand at their places while it is built, where else a registry would be asked."""
    volumes = [word for place, source in (lent or {}).items() for word in ("--volume", f"{source}:{place}:ro")]
    # What an instruction made of the same is taken again, unless that costs another copy of the root.
    again = ("--layers",) if _driver() == "overlay" else ()
    how = ("bud", "--isolation", "chroot", "--pull-never", "--quiet", *again, *volumes)
    buildah(*how, "--file", folder / "Dockerfile", "--tag", name, folder)


@dataclass(frozen=True)
class Image:
    """An image that was built, with what a container of it starts."""

    name: str

    @property
    def start(self) -> list[str]:
        config = json.loads(buildah("inspect", "--type", "image", self.name))["OCIv1"]["config"]
        return [*config.get("Entrypoint", ()), *config.get("Cmd", ())]

    def run(self, *command: str) -> str:
        """What a command prints in a container, under the image's user and in its working folder; by default what
        the container starts."""
        container = buildah("from", "--pull-never", self.name).strip()
        try:
            return buildah("run", "--isolation", "chroot", container, "--", *(command or self.start))
        finally:
            buildah("rm", container)


def has(name: str) -> bool:
    return name in buildah("images", "--format", "{{.Name}}:{{.Tag}}").split()


def forget() -> None:
    """Takes away what tests have built; each image holds a whole root here. The bases stay."""
    names = buildah("images", "--format", "{{.Name}}:{{.Tag}}").split()
    for name in names:
        if name.endswith(("-before:latest", "-after:latest")):
            buildah("rmi", "--force", name)
    buildah("rmi", "--prune")
    buildah("rm", "--all")  # of a container that stays, its root stays mounted


def removed(root: Path) -> None:
    run("rm", "-rf", "--one-file-system", root)


def debian(*names: str) -> None:
    """A Debian root with Python, as an image under these names."""
    if all(has(f"localhost/{name}") for name in names):
        return
    KEPT.mkdir(parents=True, exist_ok=True)
    root = KEPT / "debian"
    if not has("localhost/debian:proof"):
        removed(root)
        source = f"deb {mirror()} bookworm main"
        run(path("mmdebstrap"), "--variant=minbase", "--include=python3-minimal", "bookworm", root, source)
        for part in ("usr/share/doc", "usr/share/locale", "usr/share/man", "var/cache/apt", "var/lib/apt/lists"):
            shutil.rmtree(root / part, ignore_errors=True)
        run("rm", "-rf", *(root / "dev").iterdir())
        (root / "usr/bin/python").symlink_to("python3")
        imported(root, "debian:proof")
        removed(root)
    for name in names:
        buildah("tag", "localhost/debian:proof", f"localhost/{name}")


def python(name: str) -> None:
    """A Debian root in which pip installs into the system, as it does in the official images of Python."""
    if has(f"localhost/{name}"):
        return
    debian("debian:proof")
    container = buildah("from", "--pull-never", "localhost/debian:proof").strip()
    install = "apt-get install -qq -y --no-install-recommends python3-venv python3-pip"
    steps = (
        f"apt-get update -qq && {install}",
        "rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /usr/lib/python3*/EXTERNALLY-MANAGED",
        f"printf '[global]\\nno-index = true\\nfind-links = {WHEELS}\\ncompile = false\\n' >/etc/pip.conf",
    )
    buildah("run", "--isolation", "chroot", container, "--", "sh", "-c", " && ".join(steps))
    buildah("commit", "--quiet", container, f"localhost/{name}")
    buildah("rm", container)


def wheels(name: str) -> dict[str, Path]:
    """A package of the development requirements with all that it needs, in their versions, lent to what pip installs
    in an image of Python."""
    folder = KEPT / "wheels" / name
    if not folder.exists():
        new = KEPT / "wheels" / f"{name}.new"
        pip = (sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check")
        versions = ("--constraint", ROOT / "constraints.txt", "--only-binary", ":all:", "--python-version", "3.11")
        run(*pip, *versions, "--dest", new, name)
        new.rename(folder)
    return {WHEELS: folder}


def uv(name: str) -> None:
    """An image of nothing but uv, as its makers publish one."""
    if not has(name):
        root = KEPT / "uv"
        root.mkdir(parents=True, exist_ok=True)
        for program in ("uv", "uvx"):
            shutil.copy2(Path(path("uv")).with_name(program), root / program)
        imported(root, "uv:proof")
        buildah("tag", "localhost/uv:proof", name)
        removed(root)


def node(name: str) -> None:
    """A Debian root with Node.js and, for npm, what installs the modules that are lent to it and runs scripts."""
    if has(f"localhost/{name}"):
        return
    debian("debian:proof")
    container = buildah("from", "--pull-never", "localhost/debian:proof").strip()
    KEPT.joinpath("npm").write_text(NPM)
    buildah("copy", "--quiet", "--chmod", "755", container, path("node"), "/usr/local/bin/node")
    buildah("copy", "--quiet", "--chmod", "755", container, KEPT / "npm", "/usr/local/bin/npm")
    buildah("commit", "--quiet", container, f"localhost/{name}")
    buildah("rm", container)


def mirror() -> str:
    """Where this machine's apt takes Debian's packages from."""
    listed = run("apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME)", "Created-By: Packages")
    lines = [line.split() for line in listed.splitlines()]
    return next(address.rstrip("/") for address, codename in lines if "-" not in codename)


def with_user(base: str, name: str, user: str, number: int) -> None:
    """The image of a base that brings a user, as node does."""
    if not has(f"localhost/{name}"):
        container = buildah("from", "--pull-never", base).strip()
        buildah(
            "run", "--isolation", "chroot", container, "--", "sh", "-c",
            f"groupadd --gid {number} {user} && useradd --uid {number} --gid {user} --create-home {user}",
        )  # fmt: skip
        buildah("commit", "--quiet", container, f"localhost/{name}")
        buildah("rm", container)


def alpine(*names: str) -> None:
    """A root of nothing but busybox and the files that make a user possible, as an image under these names."""
    if all(has(f"localhost/{name}") for name in names):
        return
    program = _busybox()
    root = KEPT / "alpine"
    removed(root)
    for folder in ("bin", "etc", "tmp", "home", "root", "usr/bin", "usr/local/bin", "var/lib", "proc", "dev"):
        (root / folder).mkdir(parents=True)
    (root / "tmp").chmod(0o1777)
    (root / "root").chmod(0o700)
    shutil.copy2(program, root / "bin/busybox")
    for applet in run(program, "--list").split():
        (root / "bin" / applet).symlink_to("busybox")
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/sbin/nologin\n")
    (root / "etc/group").write_text("root:x:0:root\nnobody:x:65534:\n")
    (root / "etc/shadow").write_text("root:*::0:::::\nnobody:!::0:::::\n")
    (root / "etc/shells").write_text("/bin/sh\n")
    for name in names:
        imported(root, name)
    removed(root)


def _busybox() -> Path:
    program = KEPT / "busybox"
    if program.exists():
        return program
    KEPT.mkdir(parents=True, exist_ok=True)
    archive = KEPT / "busybox.tar.bz2"
    with urlopen(f"{mirror()}/{BUSYBOX}", timeout=60) as answer:
        archive.write_bytes(answer.read())
    with tarfile.open(archive) as source:
        # As https://docs.python.org/3/library/tarfile.html#extraction-filters says for Pythons before 3.11.4, such as
        # Debian 12's: they know no filter.
        source.extraction_filter = getattr(tarfile, "data_filter", None)
        source.extractall(KEPT / "source")
    (folder,) = (KEPT / "source").iterdir()
    run("make", "allnoconfig", cwd=folder)
    config = (folder / ".config").read_text()
    for applet in APPLETS:
        config = config.replace(f"# CONFIG_{applet} is not set", f"CONFIG_{applet}=y")
    for name, number in NUMBERS.items():
        config = config.replace(f"CONFIG_{name}=0", f"CONFIG_{name}={number}")
    (folder / ".config").write_text(config)
    run("sh", "-c", "yes '' 2>/dev/null | make oldconfig && make -j2", cwd=folder)
    shutil.copy2(folder / "busybox", program)
    shutil.rmtree(KEPT / "source")
    archive.unlink()
    return program


def imported(root: Path, name: str) -> None:
    container = buildah("from", "scratch").strip()
    buildah("add", "--quiet", container, root, "/")
    buildah("commit", "--quiet", container, f"localhost/{name}")
    buildah("rm", container)
