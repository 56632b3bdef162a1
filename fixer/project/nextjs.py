"""Applications in Next.js: what configures them, and what of theirs a traced copy would lack.

`output: "standalone"` makes Next.js trace which files its server needs, by reading imports:
https://nextjs.org/docs/app/api-reference/config/next-config-js/output
"""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING, Any, Self

from fixer.languages.dockerfile import Dockerfile
from fixer.languages.javascript import JavaScript
from fixer.languages.tables import json_object, mapping
from fixer.model import FileError
from fixer.patterns import Rare
from fixer.project.frontend import FrontEnds
from fixer.records import entity

if TYPE_CHECKING:
    from fixer.repository import Repository

CONFIGURATIONS = ("next.config.js", "next.config.mjs", "next.config.ts")
"""In the order in which Next.js looks for them."""
_CODE = (".js", ".jsx", ".mjs", ".cjs", ".ts", ".tsx", ".mts")
# What is no part of the server.
_BESIDE = re.compile(
    r"(^|/)(__tests__|__mocks__|test|tests|e2e|cypress|playwright|scripts|public|\.storybook|\.github|node_modules)/"
    r"|\.(test|spec|stories)\.\w+$|(^|/)[\w.-]*config\.[cm]?[jt]s$"
)
_OPENS = Rare(
    r"""["'](?:node:)?(?:fs|fs/promises|fs-extra|graceful-fs|child_process|worker_threads|glob|globby|fast-glob)["']"""
    r"""|\bprocess\.cwd\(|\beval\(\s*["']require|\bcreateRequire\(""",
    *("fs", "child_process", "worker_threads", "glob", "process.cwd(", "eval(", "createRequire("),
)
_PICTURES = Rare(r"""["']next/(?:legacy/)?image["']""", "next/")


@entity
class NextApplication:
    """One application. `major` is that of its Next.js, None where its package.json does not say; `config` is None where
    there is none or a `problem` says why it cannot be read. `opens` are files of its code that may read other files
    when a page is asked for; `pictures` says whether it shows pictures that the server makes smaller. Code is looked at
    only where an image is shipped as it was built, without a stage for that."""

    folder: str
    package: dict[str, Any]
    major: int | None
    config: JavaScript | None
    problem: str
    opens: tuple[str, ...]
    pictures: bool

    @property
    def scripts(self) -> dict[str, Any]:
        return mapping(self.package.get("scripts"))

    @property
    def packages(self) -> dict[str, Any]:
        return {**mapping(self.package.get("devDependencies")), **mapping(self.package.get("dependencies"))}


@entity
class NextApplications:
    """Those of the repository, by their folders."""

    by_folder: dict[str, NextApplication]

    @classmethod
    def detect(cls, repository: Repository) -> Self | None:
        """None where there is none."""
        fronts = repository.fact(FrontEnds)
        folders = [each.folder for each in fronts.applications if each.framework == "next"] if fronts else []
        if not folders:
            return None
        served = any(map(_ships_what_it_builds, repository.documents(Dockerfile)))
        return cls({folder: _application(folder, repository, read_code=served) for folder in folders})


def _ships_what_it_builds(dockerfile: Dockerfile) -> bool:
    stage = dockerfile.final.instructions
    copied = any(each.op == "COPY" and each.flag("from") is not None for each in stage)
    return not copied and any(each.op == "RUN" and "build" in each.text for each in stage)


def _application(folder: str, repository: Repository, *, read_code: bool) -> NextApplication:
    package = json_object(repository.text(posixpath.join(folder, "package.json")))
    wanted = mapping(package.get("dependencies")).get("next", "")
    version = re.match(r"[\^~]?(\d+)(\.|$)", str(wanted))
    paths = [posixpath.join(folder, name) for name in CONFIGURATIONS]
    path = next((each for each in paths if repository.exists(each)), "")
    config, problem = None, ""
    try:
        document = repository.document(path) if path else None
        config = document if isinstance(document, JavaScript) else None
    except FileError as error:
        problem = f"{path}: {error.reason}"
    opens, pictures = [], False
    for code in repository.below(folder) if read_code else ():
        inside = code[len(folder) + 1 :] if folder else code
        if code.endswith(_CODE) and not _BESIDE.search(inside):
            text = repository.text(code)
            if _OPENS.search(text):
                opens.append(code)
            pictures = pictures or _PICTURES.search(text) is not None
    major = int(version[1]) if version else None
    return NextApplication(folder, package, major, config, problem, tuple(opens), pictures)
