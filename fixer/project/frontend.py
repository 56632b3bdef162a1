"""The front ends of the repository: which framework builds them, into which folder, and what limits their size."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Self

from fixer.languages.tables import json_object, mapping
from fixer.records import record

if TYPE_CHECKING:
    from fixer.repository import Repository

NAMES_OUTPUT = ("--outDir", "--output-path", "--out-dir", "--dest")
"""The options of their commands that name the folder of output."""


@record
class _Framework:
    """The package that names it, the pattern of its command that builds, and its folder of output by default.

    `excluded` is what in that folder is no product.
    """

    package: str
    builds: str
    output: str
    excluded: str = ""


_FRAMEWORKS = (
    _Framework("next", "next build", ".next", "cache"),
    _Framework("@angular/core", "(ng|nx) build", "dist"),
    _Framework("react-scripts", "(react-scripts|react-app-rewired|craco) build", "build"),
    _Framework("vite", "vite build", "dist"),
    _Framework("@vue/cli-service", "vue-cli-service build", "dist"),
)
# What stands on top of Vite, and writes elsewhere.
_ABOVE_VITE = (
    "@sveltejs/kit", "@remix-run/dev", "@react-router/dev", "@tanstack/react-start", "@solidjs/start",
    "@builder.io/qwik", "astro", "electron-vite", "nuxt", "vike", "vitepress",
)  # fmt: skip
_OUT_DIR = re.compile(
    r"""\b(?:outDir|distDir|outputDir)\b\s*["']?\s*(?::\s*(?:["'](?P<path>[\w./-]+)["']\s*[,}\n])?|[,}])"""
)
_EXPORT = re.compile(r"""(?P<sure>\boutput\s*["']?\s*:\s*)?["']export["']""")
"""`output: "export"` of Next.js, whose site is then in `out`: https://nextjs.org/docs/app/guides/static-exports"""
_BUILD = re.compile(r"build(:(prod|production|ci))?")
_ROOT = re.compile(r"""^\s*root\s*(?::|,\s*$)""", re.MULTILINE)
_COMMENT = re.compile(r"/\*.*?\*/|(?<!:)//[^\n]*", re.DOTALL)
_LIMITERS = ("size-limit", "bundlesize", "bundlesize2", "bundlewatch", "bundlemon", "next-bundle-analysis")


@record
class FrontEnd:
    """One package.json of an application. `output` is relative to `folder`, and empty where a `problem` says why it is
    not known; `excluded` is a folder in it that is no part of the product, such as the cache of Next.js; `limiter` is a
    tool that limits the size already."""

    folder: str
    framework: str
    output: str
    excluded: str
    limiter: str = ""
    problem: str = ""


@record
class FrontEnds:
    """All front ends of the repository, the ones nearest to its top first."""

    applications: tuple[FrontEnd, ...]

    @classmethod
    def detect(cls, repository: Repository) -> Self | None:
        """None where no package.json names a framework that is known."""
        found = []
        for path in repository.named("package.json"):
            package = json_object(repository.text(path))
            wanted = {**mapping(package.get("dependencies")), **mapping(package.get("devDependencies"))}
            scripts = mapping(package.get("scripts"))
            commands = "\n".join(map(str, scripts.values()))
            named = (each for each in _FRAMEWORKS if each.package in wanted)
            known = next((each for each in named if re.search(each.builds, commands)), None)
            if known is None or "build" not in scripts:
                continue
            folder = posixpath.dirname(path)
            builds = [str(script) for name, script in scripts.items() if _BUILD.fullmatch(name)]
            configurations = list(_configurations(repository, folder))
            output, problem = _output(repository, folder, builds, wanted, known, configurations)
            limiter = next((name for name in _LIMITERS if name in wanted or name in package), "")
            exported = any(_exports(path, text) for path, text in configurations)
            excluded = "" if exported else known.excluded
            found.append(FrontEnd(folder, known.package, output, excluded, limiter, problem))
        return cls(tuple(sorted(found, key=lambda each: (each.folder.count("/"), each.folder)))) if found else None

    def of(self, folder: str) -> FrontEnd | None:
        """The application that a build in this folder makes: of the folder itself, else the only one below it."""
        exact = next((each for each in self.applications if each.folder == folder), None)
        below = [each for each in self.applications if not folder or each.folder.startswith(folder + "/")]
        return exact or (below[0] if len(below) == 1 else None)


def _output(
    repository: Repository,
    folder: str,
    scripts: list[str],
    wanted: dict[str, Any],
    known: _Framework,
    configurations: list[tuple[str, str]],
) -> tuple[str, str]:
    """The folder of output that the build scripts or a configuration file name, or why it is not known."""
    flags = [re.search(rf"(?:{'|'.join(NAMES_OUTPUT)})[= ]([\w./-]+)", script) for script in scripts]
    given = {flag[1] if flag else "" for flag in flags}
    if len(given) > 1:
        return "", "its build scripts name several folders of output"
    if any(given):
        return given.pop(), ""
    if known.package == "@angular/core":
        return _output_of_angular(repository, posixpath.join(folder, "angular.json"), known.output)
    above = next((name for name in _ABOVE_VITE if name in wanted), "") if known.package == "vite" else ""
    if above:
        return "", f"{above} decides where the build goes"
    for path, text in configurations:
        if "vite.config" in path and _ROOT.search(text):
            return "", f"{path} sets a root, to which the folder of output is relative"
        named = {found["path"] for found in _OUT_DIR.finditer(text)}
        if len(named) > 1 or None in named:
            return "", f"which folder the build goes to cannot be told from {path}"
        exported = _exports(path, text)
        if exported is None:
            return "", f"{path} decides when it runs whether it exports the site"
        if named:
            return named.pop().removeprefix("./"), ""
        if exported:
            return "out", ""
    return known.output, ""


def _configurations(repository: Repository, folder: str) -> Iterator[tuple[str, str]]:
    """The files that configure a build, with their text without comments."""
    for name in ("vite.config", "next.config", "vue.config"):
        for ending in ("js", "ts", "mjs", "mts", "cjs"):
            path = posixpath.join(folder, f"{name}.{ending}")
            if repository.exists(path):
                yield path, _COMMENT.sub("", repository.text(path))


def _exports(path: str, text: str) -> bool | None:
    """Whether Next.js writes a site for any server, into `out`; None where that is decided when it runs."""
    found = _EXPORT.search(text) if "next.config" in path else None
    return found is not None if found is None or found["sure"] is not None else None


def _output_of_angular(repository: Repository, path: str, default: str) -> tuple[str, str]:
    found: dict[str, None] = {}
    for project in mapping(json_object(repository.text(path)).get("projects")).values():
        targets = mapping(mapping(project).get("architect")) or mapping(mapping(project).get("targets"))
        build = mapping(targets.get("build"))
        for options in (build.get("options"), *mapping(build.get("configurations")).values()):
            given = mapping(options).get("outputPath")
            name = mapping(given).get("base") if isinstance(given, dict) else given
            if name:
                found[posixpath.normpath(str(name))] = None
    if all(f"{name}/".startswith(f"{default}/") for name in found):
        return default, ""
    return (next(iter(found)), "") if len(found) == 1 else ("", f"{path} names several folders of output")
