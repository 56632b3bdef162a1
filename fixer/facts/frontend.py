"""The front ends of the repository: which framework builds them, into which folder, and what limits their size."""

from __future__ import annotations

import json
import posixpath
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from fixer.repository import Repository

# Package that names the framework, its folder of output, and what in there is no product.
_FRAMEWORKS = (
    ("next", ".next", "cache"),
    ("@angular/core", "dist", ""),
    ("react-scripts", "build", ""),
    ("vite", "dist", ""),
    ("@vue/cli-service", "dist", ""),
)
_OUT_DIR = re.compile(r"""\b(?:outDir|distDir|outputPath)\s*["']?\s*:\s*["']([\w./-]+)["']""")
_LIMITERS = ("size-limit", "bundlesize", "bundlesize2", "bundlewatch", "bundlemon", "next-bundle-analysis")


@dataclass(frozen=True)
class FrontEnd:
    """One package.json of an application. `output` is relative to `folder`; `excluded` is a folder in it that is no
    part of the product, such as the cache of Next.js; `limiter` is a tool that limits the size already."""

    folder: str
    framework: str
    output: str
    excluded: str
    limiter: str = ""


@dataclass(frozen=True)
class FrontEnds:
    """All front ends of the repository, the ones nearest to its top first."""

    applications: tuple[FrontEnd, ...]

    @classmethod
    def detect(cls, repository: Repository) -> Self | None:
        """None where no package.json names a framework that is known."""
        found = []
        for path in repository.glob("package.json", "*/package.json"):
            package = _object(repository.text(path))
            wanted = {**_mapping(package.get("dependencies")), **_mapping(package.get("devDependencies"))}
            known = next((each for each in _FRAMEWORKS if each[0] in wanted), None)
            scripts = _mapping(package.get("scripts"))
            if known is None or "build" not in scripts:
                continue
            folder = posixpath.dirname(path)
            output = _configured(repository, folder, str(scripts["build"])) or known[1]
            limiter = next((name for name in _LIMITERS if name in wanted or name in package), "")
            found.append(FrontEnd(folder, known[0], output, known[2], limiter))
        return cls(tuple(sorted(found, key=lambda each: (each.folder.count("/"), each.folder)))) if found else None

    def of(self, folder: str) -> FrontEnd | None:
        """The application that a build in this folder makes: of the folder itself, else the only one below it."""
        exact = next((each for each in self.applications if each.folder == folder), None)
        below = [each for each in self.applications if not folder or each.folder.startswith(folder + "/")]
        return exact or (below[0] if len(below) == 1 else None)


def _configured(repository: Repository, folder: str, script: str) -> str:
    """The folder of output that a configuration file or the build script names."""
    flag = re.search(r"--(?:outDir|output-path|out-dir|dest)[= ]([\w./-]+)", script)
    if flag:
        return flag[1]
    for name in ("vite.config", "next.config", "vue.config"):
        for ending in ("js", "ts", "mjs", "mts", "cjs"):
            found = _OUT_DIR.search(repository.text(posixpath.join(folder, f"{name}.{ending}")))
            if found:
                return found[1].removeprefix("./")
    return ""


def _object(text: str) -> dict[str, Any]:
    try:
        return _mapping(json.loads(text))
    except ValueError:
        return {}


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
