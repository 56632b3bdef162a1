"""Secrets, or everything that lies in the build's folder, can reach a layer of an image.

## Why
Every layer can be unpacked by whoever has the image, those of builder stages by whoever has the build cache. `COPY . .`
takes along what lies in the folder at that moment: `.env`, keys, the whole history in `.git`. A pattern such as `.env`
in `.dockerignore` only means the top folder; `**/.env` means every one. Values of ARG and ENV stand in the image's
history.

The fix makes or completes `.dockerignore`, and narrows a `COPY . .` that only serves to install requirements. Secrets
in instructions are reported: how they get in instead is for whoever starts the build to say.

## When it is left alone
What an ignore file lets through on purpose (`!.env.production`), a copied folder in which nothing is started (`COPY
scripts /usr/local/bin`), the folders of images for development and tests, example files, names of public values
(`NEXT_PUBLIC_…`), placeholders such as `SECRET_KEY=dummy` for a build step, files with
`# check=skip=SecretsUsedInArgOrEnv`. A pattern that would take away a file which the repository has, which a workflow
writes, or which a Dockerfile copies by name, is not added; neither is `.git` where the build takes a version from it.
"""

import ast
import posixpath
import re
from collections.abc import Iterator
from fnmatch import filter as matching
from fnmatch import fnmatchcase
from functools import cache

from fixer.django.places import named_places
from fixer.django.project import DjangoProject
from fixer.docker.compose import Mount
from fixer.docker.ignore_files import is_ignored, read_ignore
from fixer.docker.privileges import is_within
from fixer.documents import DEVELOPMENT
from fixer.languages.dockerfile import Dockerfile, Instruction, Stage
from fixer.languages.python import dotted
from fixer.languages.shell import Script
from fixer.model import Blocked, Finding, Fix, NewFile, Parts, Rule, Tier, listed
from fixer.runtime.builds import ImageBuild, ImageBuilds
from fixer.runtime.images import local_sources
from fixer.runtime.programs import Program

# What no image needs, in sections as they are written to a new file.
SECRETS = ("**/.env", "**/.env.*", "!**/.env*.example", "!**/.env*.sample", "!**/.env*.template")
KEYS = (
    "**/*.key", "**/*.pem", "**/*.p12", "**/*.pfx", "**/id_rsa", "**/id_ed25519", "**/.ssh", "**/.aws", "**/.netrc",
    "**/.pypirc", "**/*.tfstate", "**/*.tfstate.*",
)  # fmt: skip
HISTORY = ("**/.git",)
LEFTOVERS = {
    "Python": ("**/__pycache__", "**/*.py[cod]", "**/.venv", "**/venv", "**/.pytest_cache", "**/.mypy_cache",
               "**/.coverage", "**/htmlcov"),
    "Node": ("**/node_modules", "**/npm-debug.log*", "**/coverage"),
    "Editors and systems": ("**/.idea", "**/.vscode", "**/.DS_Store", "**/*.swp"),
}  # fmt: skip
# Names that tell whether a section belongs to this folder.
MARKS = {"Python": re.compile(r"\.py$|^requirements"), "Node": re.compile(r"^package\.json$")}
INSTALLS_NODE = re.compile(r"\b(npm|npx|pnpm|yarn|bun|lerna|nx|rush|turbo)\b")
# Bundlers put values of .env into what they build.
BUNDLERS = re.compile(
    r'"(vite|next|nuxt|react-scripts|@vue/cli-service|gatsby|astro|@sveltejs/kit|parcel|dotenv-webpack|expo)"\s*:'
)
BUNDLES = re.compile(r"\b(npm|npx|pnpm|yarn|bun|turbo|vite|next|nuxt)\b[^;&|]*\b(build|generate|export)\b")
# A folder that is copied by such a name is there for its keys.
CERTIFICATES = re.compile(r"(?i)(^|/)(ca|ca-certificates|certs?|certificates?|keys?|pki|ssl|tls)(/|$)")
# Files that stand for what may lie in a folder.
ENVIRONMENTS = (".env", ".env.local", ".env.production")
LEAKS_NAMED = 5
# python-dotenv, django-environ, environs, python-decouple, pydantic-settings, and dotenv of Node.js.
READS_ENV = re.compile(
    r"\b(load_dotenv|dotenv_values|read_env|RepositoryEnv)\(|^from decouple import|\benv_file *= *[\"']\.env"
    r"|\bdotenv(\.|['\"]\)\.)config\(|['\"]dotenv/config['\"]",
    re.MULTILINE,
)
READERS_OF_A_FILE = frozenset(("load_dotenv", "dotenv_values", "read_env", "RepositoryEnv"))
# A folder in which something is started is one where a `.env` may lie.
STARTED = re.compile(
    r"^(\.env.*|.*dockerfile.*|(docker-)?compose.*\.ya?ml|manage\.py|package\.json|pyproject\.toml|setup\.(py|cfg)"
    r"|requirements.*\.txt|Pipfile|go\.mod|Cargo\.toml|composer\.json|Gemfile|mix\.exs|pom\.xml|build\.gradle(\.kts)?"
    r"|.*\.csproj|(app|asgi|index|main|server|settings|wsgi)\.(py|[cm]?[jt]s))$",
    re.IGNORECASE,
)
# Tools that take a version from the history, by language, and commands that read it.
VERSION_FROM_GIT = re.compile(
    r"setuptools[-_](scm|git)|hatch-vcs|versioneer|versioningit|dynamic-versioning|pbr\b|vcs-versioning|flit_scm"
    r"|source *= *[\"']scm[\"']|vergen|git[-_]version|shadow-rs|git-testament|git-commit-id|jgitver|git-properties"
    r"|grgit|axion-release|gitversion|MinVer|Nerdbank\.GitVersioning|GitInfo|git-rev-sync|git-revision-webpack-plugin"
    r"|git-describe|git-repo-info|simple-git\b(?!-)"
)
READS_GIT = re.compile(r"(?<![.\w])git\b[\"', ]+(describe|rev-parse|log|ls-files|rev-list)\b")
USES_GIT = re.compile(rf"{READS_GIT.pattern}|\bgit (show|status|diff|tag|submodule)\b|(?<![\w-])\.git\b")

SECRET_NAME = re.compile(
    r"(^|_)(PASSWORD|PASSWD|SECRET|SECRET_KEY|TOKEN|API_?KEY|PRIVATE_KEY|ACCESS_KEY|CREDENTIALS|ENCRYPTION_KEY)$|"
    r"^(AWS_SECRET_ACCESS_KEY|GITHUB_TOKEN|NPM_TOKEN|DJANGO_SECRET_KEY)$"
)
PUBLIC_NAME = re.compile(r"^(NEXT_PUBLIC|VITE|REACT_APP|NUXT_PUBLIC|GATSBY|EXPO_PUBLIC|PUBLIC)_|_PUBLIC_")
NEVER_PUBLIC = re.compile(r"(^|_)(PASSWORD|PASSWD|SECRET|SECRET_KEY|PRIVATE_KEY|ENCRYPTION_KEY|SERVICE_ROLE_KEY)$")
PLACEHOLDER = re.compile(
    r"(?i)(dummy|demo|fake|placeholder|change-?_?me|build|unused|none|null|test|testing|example|insecure|not-?_?a?-?_?secret"
    r"|secret|temp|tmp|ci|xxx+|your[-_ ]|foo|bar|password|todo|replace)|^[01x*<.]?$|^no$|^(true|false)$|^\$"
    r"|^\.{0,2}(/[\w.-]+){2,}$"
)
# BuildKit's own switch for its check of the same thing, https://docs.docker.com/reference/build-checks/
CHECK_OFF = re.compile(r"^# *check *= *skip=([\w,]*,)?(SecretsUsedInArgOrEnv|all)\b", re.MULTILINE)
# Not the same word twice, nor a server of the machine that builds.
CREDENTIALS_IN_URL = re.compile(
    r"(?<!\w)\w+://(?!([^\s/:@]+):\1@)[^\s/:@$'\"]*:[^\s/@$'\"{}<>]+@(?!(localhost|127\.0\.0\.1)\b)"
)
SECRET_FILE = re.compile(
    r"(^|/)(\.env(\.(?!example|sample|template|dist|test|ci)[\w-]+)*|id_(rsa|dsa|ecdsa|ed25519)|\.netrc|\.pypirc|\.aws|\.ssh"
    r"|credentials\.json|service-?_?account[\w-]*\.json|kubeconfig|[\w.-]+\.(p12|pfx|tfstate|key))$"
)
# Files in which package managers keep the tokens of private registries.
TOKEN_FILES = frozenset((
    ".npmrc", ".yarnrc", ".yarnrc.yml", ".netrc", ".pypirc", "pip.conf", "auth.json", "NuGet.config", "nuget.config",
    "settings.xml", ".git-credentials",
))  # fmt: skip
PUBLIC_FILE = re.compile(r"(?i)pub|public|ca\b|cert|gpg|keyring|apt|archive|example|sample|test")


def check(dockerfile: Dockerfile, builds: ImageBuilds, django: DjangoProject | None) -> Iterator[Finding]:
    build = next(iter(builds.of(dockerfile.source.path)), None)
    if build is None:
        return
    others = (each for each in build.elsewhere if each.ignore_path != build.ignore_path)
    for each in (build, *others):
        yield from _context_leaks(each, builds, django)
    yield from _wide_copies(dockerfile, build)
    for stage in dockerfile.stages:
        for instruction in stage.instructions:
            for message, cure in _said(build, stage, instruction):
                yield _finding(build, instruction, message, cure)


def _finding(build: ImageBuild, instruction: Instruction, message: str, cure: Fix | Blocked) -> Finding:
    return Finding(build.path, instruction.span, message, cure)


# -- what the folder may hold -----------------------------------------------------------------------------------------


def _context_leaks(build: ImageBuild, builds: ImageBuilds, django: DjangoProject | None) -> Iterator[Finding]:
    """What one ignore file keeps out of several images is said once, for the first of them."""
    if DEVELOPMENT.search(build.path):
        return
    wide = _wide(build)
    if not wide:
        return
    if build.context is None:
        if any(source == "." for _, source in wide):
            cure = Blocked(
                "no folder of the repository has everything that this file copies",
                "say in a compose file or workflow from which folder it is built",
            )
            message = "the whole folder of the build is copied, and it is not known which one that is"
            yield _finding(build, wide[0][0], message, cure)
        return
    if build.ignore_fault:
        cure = Blocked(
            f"{build.ignore_path} cannot be read ({build.ignore_fault}): what it keeps away is not known",
            "make it a file of its own",
        )
        yield _finding(build, wide[0][0], "whole folders are copied, and what they may hold is not known", cure)
        return
    taking, leaks = _leaks(build, builds)
    if not leaks:
        return
    sharing = _sharing(build, builds)
    if next(each for each in sharing if each is build or _leaks(each, builds)[1]) is not build:
        return
    sharing = [each for each in sharing if each is build or _leaks(each, builds)[1]]
    place = taking[0]
    more = [f"{len(leaks) - LEAKS_NAMED + 1} more"] if len(leaks) > LEAKS_NAMED else []
    named = [*leaks[: LEAKS_NAMED - len(more)], *more]
    who = f"{place.op} {' '.join(place.args)}"
    who += f" and {len(taking) - 1} more take" if len(taking) > 1 else " takes"
    place_of_build = f", built from {build.context or 'the top folder'}" if len(build.contexts) > 1 else ""
    message = f"{who} along {listed(named)}, if there{place_of_build}"
    if others := [other.path for other in sharing[1:]]:
        message += f"; {listed(others)} {'does' if len(others) == 1 else 'do'} the like"
    yield _finding(build, place, message, _completed(sharing, builds, django))


def _wide(build: ImageBuild) -> list[tuple[Instruction, str]]:
    """Folders that are copied whole, and may hold what no image needs."""
    return [
        (instruction, source)
        for instruction in build.dockerfile.instructions
        for source in local_sources(instruction)
        if source == "." or build.context is None or _may_hold_secrets(build, source)
    ]


def _leaks(build: ImageBuild, builds: ImageBuilds) -> tuple[list[Instruction], list[str]]:
    """The instructions that take along what the ignore file can keep away, and the names of that."""
    wide = _wide(build)
    # A pattern that may not be added cures nothing.
    lines = [line for _, section in _additions(build, builds) for line in section]
    cured = tuple(read_ignore([*(build.ignore.lines if build.ignore else ()), *lines]))
    taken = {
        source: [name for name in _takes_along(build, builds, source) if is_ignored(_inside(name), cured)]
        for source in dict.fromkeys(source for _, source in wide)
    }
    taking = [instruction for instruction, source in wide if taken[source]]
    return taking, list(dict.fromkeys(name for names in taken.values() for name in names))


def _sharing(build: ImageBuild, builds: ImageBuilds) -> list[ImageBuild]:
    """The builds that one ignore file serves, of each Dockerfile the first; those that are left alone are not among
    them."""
    return [
        each
        for each in builds.built_in(build.context)
        if each in (builds.of(each.path)[0], *builds.of(each.path)[0].elsewhere)
        and each.ignore_path == build.ignore_path
        and not DEVELOPMENT.search(each.path)
    ]


def _takes_along(build: ImageBuild, builds: ImageBuilds, source: str) -> list[str]:
    """What may lie in a folder that is copied, though no image needs it."""
    inside = "" if source == "." else f"{source}/"
    names = [f"{inside}{name}" for name in ENVIRONMENTS if not _let_through(build, f"{inside}{name}")]
    if source == "." and build.context == "" and not _needs_git(build, builds):
        names.append(".git")
    return [name for name in names if not build.excluded(_inside(name))]


def _inside(name: str) -> str:
    """A file that tells whether this is left out: of a folder, one in it."""
    return f"{name}/config" if name == ".git" else name


def _may_hold_secrets(build: ImageBuild, folder: str) -> bool:
    """Whether something is started in a folder or below it, or the ignore file speaks of `.env` there or elsewhere."""
    if folder not in build.folders:
        return False
    inside = (path for path in build.files if path.startswith(f"{folder}/"))
    spoken = any(".env" in line for line in build.ignore.lines) if build.ignore else False
    return spoken or any(STARTED.match(posixpath.basename(path)) for path in inside)


def _completed(sharing: list[ImageBuild], builds: ImageBuilds, django: DjangoProject | None) -> Fix | Blocked:
    """The ignore file that keeps it out of each of them."""
    build = sharing[0]
    additions = _additions(build, builds)
    taken = (posixpath.basename(name) for name in _leaks(build, builds)[1])
    hides_env = any("**/.env" in section for _, section in additions) and ".env" in taken
    said = (
        line for each in sharing for line in (*_bundled(each), *(_fed_by_the_image(each, django) if hides_env else ()))
    )
    todo = tuple(dict.fromkeys((*said, *_guessed(sharing))))
    tier = Tier.REVIEW if todo else Tier.SAFE
    if build.ignore is None:
        text = "\n".join(f"# {title}\n" + "".join(f"{line}\n" for line in lines) for title, lines in additions)
        secrets = any(line.startswith("**/.env") for _, lines in additions for line in lines)
        return Fix.of(
            f"keep {'secrets' if secrets else 'keys'} and leftovers out of the build with {build.ignore_path}",
            NewFile(build.ignore_path, text),
            tier=tier,
            todo=todo,
            effects=(f"{build.ignore_path}: new; the builder no longer gets what it names",),
        )
    lines = [line for title, section in additions if title not in LEFTOVERS for line in section]
    # What a later `!` takes back must be said again after it; what is left out already need not be.
    missing = [line for line in lines if line.startswith("!") or not _is_kept_away(build, line)]
    if all(line.startswith("!") for line in missing):
        missing = []
    missing = [line for line in missing if not line.startswith("!") or "**/.env.*" in missing]
    parts: Parts = build.ignore.append(*(["", "# Secrets, in every folder"] if build.ignore.lines else []), *missing)
    secrets = any(line.startswith("**/.env") for line in lines)
    return Fix.of(
        f"keep {'secrets' if secrets else 'keys'} out of the build with {build.ignore_path}",
        parts,
        tier=tier,
        todo=todo,
        effects=(
            f"{build.ignore_path}: the builder no longer gets {listed(line for line in missing if line[0] != '!')}",
        ),
    )


def _guessed(sharing: list[ImageBuild]) -> Iterator[str]:
    """What to see to where no file of the repository says from which folder a Dockerfile below the top is built."""
    build = sharing[0]
    if "/" in build.path and not any(each.image.builds for each in sharing):
        folder = build.context or "the top folder"
        yield f"no build of {build.path} was found: see that it is built from {folder}"


def _is_kept_away(build: ImageBuild, line: str) -> bool:
    """Whether the ignore file leaves out already what a pattern of ours means, in every folder, and lets nothing of it
    through again."""
    ours = re.sub(r"\[.*?\]", "?", line.removeprefix("**/"))
    for pattern in build.patterns:
        name = posixpath.basename(pattern.text.lstrip("!").rstrip("/"))
        is_folder = "." not in name[1:] or pattern.text.lstrip("!/").rstrip("/") in build.folders
        if pattern.keeps and (is_folder or _meet(name, ours)):
            return False
    sample = ours.replace("*", "x").replace("?", "c")
    folders = ["", "some/folder/"]
    if line in HISTORY:  # which stands in the top folder alone
        folders = [""]
    elif line == "**/.env":
        folders = ["", *_started_in(build)]
    return all(build.excluded(f"{folder}{sample}") for folder in folders)


def _started_in(build: ImageBuild) -> Iterator[str]:
    """The folders below the top one in which something is started, where a `.env` may lie."""
    for path in build.files:
        folder, name = posixpath.split(path)
        if folder and STARTED.match(name):
            yield f"{folder}/"


def _bundled(build: ImageBuild) -> tuple[str, ...]:
    """What a person must look at where a bundler may have read a local .env, and no ARG says its values, or not all."""
    instructions = build.dockerfile.instructions
    said = {name for i in instructions if i.op in ("ARG", "ENV") for name, _ in i.pairs}
    given = any(PUBLIC_NAME.search(name) for name in said)
    runs = any(i.op == "RUN" and BUNDLES.search(i.script) for i in instructions)
    packages = (
        text for name, text in build.texts.items() if name.endswith("package.json") and not build.excluded(name)
    )
    if not runs or not any(map(BUNDLERS.search, packages)):
        return ()
    if given:
        lacking = sorted(build.public_names - said)
        if not lacking:
            return ()
        more = f" ({len(lacking)} in all)" if len(lacking) > 3 else ""
        names = f"{listed(lacking[:3])}{more}"
        them = "them" if len(lacking) > 1 else "it"
        return (f"no ARG gives {names}: where a .env gave {them}, give {them} as the others",)
    return (
        "if the bundler reads a .env that is not in the repository, give its values as ARG and ENV before the build",
    )


def _fed_by_the_image(build: ImageBuild, django: DjangoProject | None) -> tuple[str, ...]:
    """What a person must look at where the settings read a `.env`, and a program is given it by the image alone."""
    projects = django.projects if django is not None else ()
    modules = [module for each in projects for module in each.modules.values() if _holds(build, module.path)]
    elsewhere = {path for each in projects for path in _read_above(build, each)}
    reading = [path for path, text in build.configuration.items() if READS_ENV.search(text)]
    reading += [path for path, text in build.texts.items() if _is_sourced(path, text)]
    beside = next((path for path in reading if _may_have_had(build, path, above=path in elsewhere)), "")
    settings = [_within(build, each.path) for each in modules if READS_ENV.search(each.document.source.text)]
    if not beside and not any(_may_have_had(build, path, above=path in elsewhere) for path in settings):
        return ()
    known = any(each.environment for each in projects)
    required = {read.name for each in projects for read in each.environment if read.required}
    for program in sorted(build.runners, key=lambda each: each.development):
        mounted = any(_brings_env(mount, program) for mount in program.mounts)
        if mounted or program.environment.unknown or not (program.is_django or (beside and not modules)):
            continue
        lacking = sorted(name for name in required if not program.environment.sets(name))
        values = program.environment.values
        if not values:
            given = f"gives {program.name!r} no variables"
        elif beside and not known and any(v.place.path not in (program.path, build.path) for v in values):
            continue  # of a file
        elif beside and not known:
            given = f"gives {program.name!r} no file of variables, and {beside} reads one"
        elif lacking:
            more = f" ({len(lacking)} in all)" if len(lacking) > 3 else ""
            given = f"does not give {program.name!r} {listed(lacking[:3])}{more}"
        else:
            continue
        return (f"{program.path} {given}: what it reads from .env must come from there, by `env_file`, say",)
    if not build.runners:
        reader = beside or "a settings module"
        return (
            f"{reader} reads a .env: where the image had one, what starts it must give what it says, by --env-file",
        )
    return ()


def _may_have_had(build: ImageBuild, path: str, *, above: bool) -> bool:
    """Whether a `.env` for this reader could be in the image until now: beside it, but for one that reads only
    `above`, or in a folder above it, where the ignore file did not leave it out."""
    folders = [posixpath.dirname(path)]
    while folders[-1]:
        folders.append(posixpath.dirname(folders[-1]))
    if above and len(folders) > 1:
        folders = folders[1:]
    return any(not build.excluded(posixpath.join(folder, ".env")) for folder in folders)


def _read_above(build: ImageBuild, project: DjangoProject) -> Iterator[str]:
    """The settings modules that name the `.env` that they read, and none in their own folder."""
    homes = [path for _, path in named_places(project.modules, lambda path: f"/{path}")]
    for path, settings in project.modules.items():
        calls = [each for each in ast.walk(settings.document.tree) if isinstance(each, ast.Call)]
        reading = [each for each in calls if dotted(each.func).rpartition(".")[2] in READERS_OF_A_FILE]
        named = all(each.args and "__file__" not in _names_in(each) for each in reading)
        if reading and named and f"/{posixpath.dirname(path)}" not in homes:
            yield _within(build, path)


def _names_in(node: ast.AST) -> set[str]:
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}


def _within(build: ImageBuild, path: str) -> str:
    """The path of a file, from the folder that it is built from."""
    return path.removeprefix(f"{build.context}/") if build.context else path


def _holds(build: ImageBuild, path: str) -> bool:
    """Whether a file of the repository may be in the image: the front end beside a project has no settings of it."""
    context = build.context
    return context is None or not context or path.startswith(f"{context}/")


def _brings_env(mount: Mount, program: Program) -> bool:
    """Whether a mount brings the folder in which a program works, or its `.env`."""
    name = posixpath.basename(mount.target)
    return mount.bind and (is_within(program.folder or "/", (mount.target,)) or name.startswith(".env"))


def _is_sourced(path: str, text: str) -> bool:
    """Whether a script of the shell takes variables from a `.env` that stands beside it."""
    if ".env" not in text or not re.search(r"(\.(sh|bash)|^[\w-]+|/[\w-]+)$", path):
        return False
    return any(
        command.name in ("source", ".") and any(posixpath.basename(w.text).startswith(".env") for w in command.args)
        for command in Script.parse(text).commands
    )


def _additions(build: ImageBuild, builds: ImageBuilds) -> list[tuple[str, list[str]]]:
    """Sections of patterns; none that would take away what the repository has or a Dockerfile names."""
    needed = set(build.names)
    for other in builds.built_in(build.context):
        needed |= other.names_written
        for source in _named(other):
            needed |= set(source.split("/"))
            if CERTIFICATES.search(source):
                needed |= {"*.pem", "*.key", "*.p12", "*.pfx"}
    for pattern in build.patterns:
        needed |= set(pattern.text.lstrip("!").split("/")) if pattern.keeps else set()
    sections = [("Secrets", SECRETS), ("Keys", KEYS), ("History", () if _needs_git(build, builds) else HISTORY)]
    scripts = _scripts(build, builds)
    for title, patterns in LEFTOVERS.items():
        if title not in MARKS or any(MARKS[title].search(name) for name in build.names):
            # Packages that no instruction installs come from the folder.
            installed = title != "Node" or any(INSTALLS_NODE.search(script) for script in scripts)
            sections.append((title, tuple(p for p in patterns if installed or p != "**/node_modules")))
    found = []
    for title, patterns in sections:
        kept = [line for line in patterns if line.startswith("!") or not _takes_away(line, patterns, needed)]
        if "**/.env.*" not in kept:
            kept = [line for line in kept if not line.startswith("!")]
        if kept:
            found.append((title, kept))
    return found


def _takes_away(line: str, section: tuple[str, ...], needed: set[str]) -> bool:
    """Every pattern here is one name in any folder, so names tell; those that a Dockerfile copies may be patterns."""
    pattern = line.removeprefix("**/")
    taken = matching(needed, pattern)
    for name in needed:
        # `COPY *.js` means no `.env.js`, `COPY .env.*` no `.env.key`, `COPY package*.json` no `package.tfstate.json`.
        ends = pattern[0] != "*" or "*" not in (name[-1:], pattern[-1])
        if "*" in name[1:] and name[0] != "*" and ends and _meet(name, re.sub(r"\[.*?\]", "?", pattern)):
            taken.append(name)
    kept = [other.removeprefix("!**/") for other in section if other.startswith("!")]
    return any(not any(fnmatchcase(name, other) for other in kept) for name in taken)


@cache
def _meet(one: str, other: str) -> bool:
    """Whether a name can match both patterns, of `*` and `?`."""
    if not one or not other:
        return not (one + other).strip("*")
    if one[0] == "*":
        return _meet(one[1:], other) or _meet(one, other[1:])
    if other[0] == "*":
        return _meet(other, one)
    return (one[0] == other[0] or "?" in (one[0], other[0])) and _meet(one[1:], other[1:])


def _named(build: ImageBuild) -> Iterator[str]:
    """What its Dockerfile takes from the context by name; a variable stands for every name."""
    for instruction in build.dockerfile.instructions:
        yield from (source for source in local_sources(instruction) if source != ".")
        if instruction.op in ("COPY", "ADD") and not instruction.flag("from"):
            variable = (re.sub(r"\$(\{[^}]*\}|\w+)", "*", source) for source in instruction.args[:-1] if "$" in source)
            yield from (source for source in variable if "://" not in source)
        for flag in instruction.flags:
            source = re.search(r"(?:^|,)(?:source|src)=([^,]+)", flag.value)
            if flag.name == "mount" and "type=bind" in flag.value and "from=" not in flag.value and source:
                yield source[1].removeprefix("./")


def _scripts(build: ImageBuild, builds: ImageBuilds) -> list[str]:
    """What RUN runs in the builds of this folder."""
    return [
        instruction.script
        for other in builds.built_in(build.context)
        for instruction in other.dockerfile.instructions
        if instruction.op == "RUN"
    ]


def _needs_git(build: ImageBuild, builds: ImageBuilds) -> bool:
    """Whether the build reads the repository's history, for a version number say."""
    if any(pattern.keeps and ".git" in pattern.text.lstrip("!").split("/") for pattern in build.patterns):
        return True
    for other in builds.built_in(build.context):
        for instruction in other.dockerfile.instructions:
            if any(source.split("/")[0] == ".git" for source in local_sources(instruction)):
                return True
    scripts = _scripts(build, builds)
    makes = any(re.search(r"\bmake\b", script) for script in scripts)
    return any(USES_GIT.search(script) for script in scripts) or any(
        VERSION_FROM_GIT.search(text) or READS_GIT.search(text)
        for name, text in build.texts.items()
        if makes or not name.endswith("Makefile")
    )


def _let_through(build: ImageBuild, name: str) -> bool:
    """Whether the ignore file names this file, to let it through."""
    base = name.rpartition("/")[2]
    return any(pattern.keeps and pattern.text.rpartition("/")[2].lstrip("!") == base for pattern in build.patterns)


# -- COPY . . for the sake of a list ----------------------------------------------------------------------------------


def _wide_copies(dockerfile: Dockerfile, build: ImageBuild) -> Iterator[Finding]:
    """A stage that copies everything only to install requirements, of which nothing but the installed is used."""
    parents = {id(stage.parent) for stage in dockerfile.stages}
    for stage in dockerfile.stages[:-1]:
        if id(stage) in parents:
            continue
        for at, instruction in enumerate(stage.instructions):
            if local_sources(instruction) != (".",) or len(instruction.args) != 2 or instruction.is_json:
                continue
            lists = _installed_from(stage.instructions[at + 1 :], build)
            if not lists or _used_from(dockerfile, stage, instruction):
                continue
            target = instruction.args[1]
            folder = target if target.endswith("/") else f"{target}/"
            yield _finding(
                build,
                instruction,
                f"COPY {' '.join(instruction.args)} takes everything into a stage that only installs {listed(lists)}",
                Fix.of(
                    f"copy only {listed(lists)}",
                    dockerfile.set_body(instruction, " ".join([*lists, folder])),
                    effects=("the stage is built again only when what it installs from changes",),
                ),
            )


def _installed_from(instructions: tuple[Instruction, ...], build: ImageBuild) -> list[str]:
    """The requirements files that these instructions install from; none where they do anything else."""
    lists: list[str] = []
    for instruction in instructions:
        if instruction.op in ("ENV", "LABEL", "ARG"):
            continue
        script = Script.parse(instruction.script) if instruction.op == "RUN" and instruction.script else None
        if script is None or script.error:
            return []
        for command in script.commands:
            if (
                command.name not in ("pip", "pip3")
                or not command.args
                or command.args[0].text not in ("install", "wheel")
            ):
                return []
            named = [
                word.text
                for at, word in enumerate(command.args)
                if command.args[at - 1].text in ("-r", "--requirement")
            ]
            local = [w.text for w in command.args[1:] if re.match(r"(\.|-e$|--editable|-r\S|--requirement=)", w.text)]
            if local or any("/" in name.removeprefix("./") or "$" in name for name in named):
                return []
            lists += [name.removeprefix("./") for name in named]
    for name in lists:
        text = build.text(name)
        if not text or re.search(
            r"^\s*(-[rce]\b|--(requirement|constraint|editable)|\.|file:)|@ *(\.|file:)", text, re.M
        ):
            return []
    return list(dict.fromkeys(lists))


def _used_from(dockerfile: Dockerfile, stage: Stage, copied: Instruction) -> bool:
    """Whether another stage takes files from where the context was copied to."""
    folder = next((i.text for i in reversed(stage.instructions) if i.op == "WORKDIR" and i.index < copied.index), "/")
    target = copied.args[1]
    place = target if target.startswith("/") else folder
    for instruction in dockerfile.instructions:
        mounts = any(flag.name == "mount" and "from=" in flag.value for flag in instruction.flags)
        if mounts or (instruction.flag("from") and dockerfile.source_stage(instruction) is stage):
            for source in instruction.args[:-1]:
                if mounts or "$" in source or source.rstrip("/") in ("", place.rstrip("/")):
                    return True
                if source.startswith(place.rstrip("/") + "/") or not source.startswith("/"):
                    return True
    return False


# -- what instructions say ------------------------------------------------------------------------------------------


def _said(build: ImageBuild, stage: Stage, instruction: Instruction) -> Iterator[tuple[str, Blocked]]:
    dockerfile = build.dockerfile
    line = f"line {dockerfile.line(instruction)}"
    if instruction.op in ("ENV", "ARG") and not CHECK_OFF.search(dockerfile.source.text):
        yield from _said_by_variables(stage, instruction, line)
    if instruction.op == "RUN":
        found = CREDENTIALS_IN_URL.search(instruction.script)
        if found and not PLACEHOLDER.search(found[0]):
            yield "RUN holds a password in a URL, which stays in the image's history", _at_run_time(line)
    for source in local_sources(instruction):
        if SECRET_FILE.search(source) and not PUBLIC_FILE.search(source) and not _is_harmless(build, source):
            yield (
                f"{instruction.op} puts {source} into a layer",
                Blocked(
                    f"{line}: the program may read it, and where it would come from instead is not known",
                    "mount it when the container starts (env_file, a secret of the orchestrator), or for one command "
                    "with RUN --mount=type=secret",
                ),
            )
    yield from _removed_later(stage, instruction, line)
    if _takes_a_whole_stage(dockerfile, stage, instruction):
        yield (
            "COPY takes the whole builder stage into the image, with all that its layers hold",
            Blocked(f"{line}: which of its files are needed is not known", "copy what is needed by name"),
        )


def _is_harmless(build: ImageBuild, source: str) -> bool:
    """Whether a file of variables is in the repository, and no variable there holds a secret."""
    said = build.variables.get(posixpath.normpath(source.lstrip("/")), {})
    return bool(said) and not any(
        CREDENTIALS_IN_URL.search(text) or (SECRET_NAME.search(name) and not PLACEHOLDER.search(text))
        for name, text in said.items()
    )


def _removed_later(stage: Stage, instruction: Instruction, line: str) -> Iterator[tuple[str, Blocked]]:
    """A file with the token of a package registry that a later RUN removes, though not from the layer it came in."""
    for source in local_sources(instruction):
        name = posixpath.basename(source)
        if name not in TOKEN_FILES:
            continue
        later = [i for i in stage.instructions if i.index > instruction.index and i.op == "RUN"]
        removed = any(
            command.name == "rm" and any(posixpath.basename(word.text) == name for word in command.args)
            for run in later
            for command in Script.parse(run.script).commands
        )
        if removed:
            yield (
                f"{instruction.op} puts {source} into a layer, and a later rm does not take it out of there",
                Blocked(
                    f"{line}: whoever starts the build must hand the file over in another way",
                    f"use RUN --mount=type=secret,id={name.lstrip('.')},target={name} where it is needed, and build "
                    f"with --secret id={name.lstrip('.')},src={source}",
                ),
            )


def _takes_a_whole_stage(dockerfile: Dockerfile, stage: Stage, instruction: Instruction) -> bool:
    if stage is not dockerfile.final or stage.base == "scratch" or instruction.op != "COPY":
        return False
    return instruction.args == ("/", "/") and dockerfile.source_stage(instruction) is not None


def _said_by_variables(stage: Stage, instruction: Instruction, line: str) -> Iterator[tuple[str, Blocked]]:
    """What the values of an ENV or ARG give away."""
    for name, value in instruction.pairs:
        if PUBLIC_NAME.search(name.upper()) and NEVER_PUBLIC.search(name.upper()):
            yield (
                f"{instruction.op} {name} is called a secret, and what has this prefix is put into pages for everybody",
                Blocked(
                    f"{line}: whether it is one, and what reads it, is not known",
                    "change the secret, and let the server use it alone; else give it another name",
                ),
            )
        is_secret = SECRET_NAME.search(name.upper()) and not PUBLIC_NAME.search(name.upper())
        said = "" if value is None or PLACEHOLDER.search(value) else value
        if said and (is_secret or CREDENTIALS_IN_URL.search(said)):
            what = "secret" if is_secret else "password"
            yield f"{instruction.op} {name} holds a {what}, which stays in the image's history", _at_run_time(line)
        elif is_secret and instruction.op == "ARG" and not value and _used(stage, instruction, name):
            yield (
                f"ARG {name} is a secret, and its value stays in the history of the stage",
                Blocked(
                    f"{line}: whoever starts the build must hand the secret over in another way",
                    f"use RUN --mount=type=secret,id={name.lower()},env={name} and build with "
                    f"--secret id={name.lower()},env={name}",
                ),
            )


def _at_run_time(line: str) -> Blocked:
    return Blocked(
        f"{line}: what reads the value, and where it would come from instead, is not known",
        "change the secret, then set it when the container starts, or for one command with RUN --mount=type=secret",
    )


def _used(stage: Stage, arg: Instruction, name: str) -> bool:
    use = re.compile(rf"\$(\{{{name}\b|{name}\b)")
    return any(
        i.index > arg.index and i.op in ("RUN", "ENV") and use.search(i.text + i.script) for i in stage.instructions
    )


RULE = Rule(
    __name__,
    "Secrets or whole folders can reach a layer of an image",
    check,
    audit=("D-011.2",),
    criterion="Neither secrets nor needless files can reach a layer of an image",
    hours=(0.5, 0.5),
    security=True,
)
