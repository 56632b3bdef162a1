"""What a status report says is done, measured or enforced, and what of it a tree can show.

Each kind of claim is a pattern of a line and a question to the repository. What only a run, a bill or a clock can tell
is not checkable: it is named so, and counts for nothing.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator
from enum import StrEnum

from fixer.django.project import DjangoProject
from fixer.django.routes import Routes
from fixer.django.settings import module_reads
from fixer.docker.compose import Compose
from fixer.github.workflow import Workflow
from fixer.languages.dockerfile import Dockerfile, Instruction, Stage
from fixer.languages.lines import Lines
from fixer.model import Source, listed
from fixer.monitoring.asking import Asking
from fixer.monitoring.cloudwatch import CloudWatch
from fixer.monitoring.exporters import Exporters
from fixer.monitoring.prometheus import PrometheusFiles
from fixer.monitoring.telling import Tellers
from fixer.project.env_files import entries
from fixer.records import record
from fixer.recovery.backups import Backups
from fixer.repository import Repository
from fixer.runtime.images import Image, Images


class Verdict(StrEnum):
    TRUE = "true"
    ELSEWHERE = "elsewhere"
    FALSE = "false"
    NOT_CHECKABLE = "not checkable"


Answer = tuple[Verdict, str]
Judge = Callable[[Repository, re.Match[str]], Answer | None]
"""None: what is said is about something that fhfix knows nothing of, and no claim for it."""


@record
class Practice:
    """A kind of claim. What of the line is shown is the group `said` or `name`, else all that matches."""

    kind: str
    pattern: re.Pattern[str]
    judge: Judge

    def said(self, found: re.Match[str]) -> str:
        groups = self.pattern.groupindex
        words = found["said"] if "said" in groups else found["name"] if "name" in groups else found[0]
        return " ".join(words.replace("`", "").split()).strip("*: ")


def practices(repository: Repository, line: str) -> Iterator[tuple[str, str, Answer]]:
    """Kind, words and answer of what one line claims; nothing for prose that is no entry of a list."""
    if not _ENTRY.match(line):
        return
    for practice in _PRACTICES:
        found = practice.pattern.search(line)
        answer = practice.judge(repository, found) if found is not None else None
        if found is not None and answer is not None:
            yield practice.kind, practice.said(found), answer


_ENTRY = re.compile(r"\s*(?:[-*•+|✅✓☑]|\d+[.)]\s|\[[xX ]\]|[├└]|[\w ./&-]+:\s)")
_CRON_DAILY = re.compile(r"^\s*[\d*/,]+\s+[\d*/,]+\s+\*\s+\*\s+[*\d,-]+\s*$")
_SCANS = re.compile(r"trivy|snyk|grype|safety|pip-audit|npm audit|codeql|osv-scanner|dependency", re.IGNORECASE)
_LOADS = re.compile(r"(?:^|/)[^/]*(?:locust|k6|perf|load|slo|artillery)[^/]*\.\w+$", re.IGNORECASE)
_CONFIGURES_TESTS = re.compile(
    r"(?:^|/)(?:pytest\.ini|setup\.cfg|tox\.ini|pyproject\.toml|\.coveragerc|conftest\.py|noxfile\.py|Makefile|"
    r"package\.json|(?:jest|vitest|vite|playwright)\.config\.\w+|\.github/workflows/[^/]+\.ya?ml)$"
)
_JUDGES = re.compile(r"sys\.exit|exit_code|thresholds|\bexit 1\b|\bassert\b")
"""How a test under load ends red."""
_THRESHOLD = re.compile(
    r"fail_under\s*=\s*(\d+)|--cov-fail-under[= ](\d+)|(?:lines|branches|statements|functions)[\"']?\s*:\s*(\d+)"
)


def _texts(repository: Repository, named: re.Pattern[str]) -> Iterator[tuple[str, str]]:
    return ((path, repository.text(path)) for path in repository.files if named.search(path))


def _yes(holds: bool, otherwise: str, where: str = "") -> Answer:
    return (Verdict.TRUE, where) if holds else (Verdict.FALSE, otherwise)


def _not_checkable(repository: Repository, found: re.Match[str]) -> Answer:
    return Verdict.NOT_CHECKABLE, "nothing in a tree shows it"


# -- counts -------------------------------------------------------------------------------------------------------


def _number(text: str) -> int:
    return int(text.replace(",", ""))


def _lines(repository: Repository, found: re.Match[str]) -> Answer:
    name = posixpath.basename(found["file"])
    paths = [path for path in repository.files if posixpath.basename(path) == name]
    best = next((path for path in paths if path == found["file"]), paths[0] if paths else "")
    if not best:
        return Verdict.FALSE, f"{name} is not there"
    count = len(repository.text(best).splitlines())
    wanted = _number(found["number"])
    return _yes(count >= wanted if found["more"] else abs(count - wanted) <= wanted // 10, f"{best} has {count}")


def _counted(folder: str, endings: tuple[str, ...], what: str) -> Judge:
    def judge(repository: Repository, found: re.Match[str]) -> Answer:
        inside = re.compile(rf"(?:^|/){folder}/[^/]+$")
        count = sum(1 for path in repository.files if inside.search(path) and path.endswith(endings))
        return _yes(count >= _number(found["number"]), f"there are {count} {what}")

    return judge


# -- tests --------------------------------------------------------------------------------------------------------


def _coverage(repository: Repository, found: re.Match[str]) -> Answer:
    wanted = int(next(filter(None, found.groups())))
    asked = [
        int(number)
        for _, text in _texts(repository, _CONFIGURES_TESTS)
        for groups in _THRESHOLD.findall(text)
        for number in groups
        if number
    ]
    said = f"{max(asked)} % is asked for" if asked else "no configuration asks for it"
    return _yes(any(number >= wanted for number in asked), said)


def _any_text(named: re.Pattern[str], says: str, otherwise: str) -> Judge:
    pattern = re.compile(says)

    def judge(repository: Repository, found: re.Match[str]) -> Answer:
        where = next((path for path, text in _texts(repository, named) if pattern.search(text)), "")
        return _yes(bool(where), otherwise)

    return judge


def _browsers(repository: Repository, found: re.Match[str]) -> Answer:
    for _, text in _texts(repository, re.compile(r"playwright\.config\.\w+$|wdio\.conf|cypress\.config")):
        named = [each for each in ("chromium|Chrome", "firefox|Firefox", "webkit|Safari") if re.search(each, text)]
        return _yes(len(named) > 1, f"its configuration names {len(named)} browser")
    return Verdict.FALSE, "no configuration of browser tests is there"


def _failures(repository: Repository, found: re.Match[str]) -> Answer:
    """A share of failures: nothing that tests under load, or watches objectives, ends red above another one."""
    number = found["number"].removesuffix(".0")
    held = re.compile(
        rf"(?i)(?:fail|error)[^\n]{{0,40}}[=<>:]\s*(?:{re.escape(number)}|{float(number) / 100:g})(?![\d.])"
    )
    said = [path for path, text in _texts(repository, _LOADS) if held.search(text)]
    holds = any(_JUDGES.search(repository.text(path)) for path in said)
    return _yes(holds, f"{said[0]} only says so" if said else f"nothing holds failures against {number} %")


def _percentile(repository: Repository, found: re.Match[str]) -> Answer:
    name, number = found["percentile"], found["number"]
    held = rf"(?i){name}\D{{0,40}}{number}\b|{number}\D{{0,40}}{name}\b"
    said = [path for path, text in _texts(repository, _LOADS) if re.search(held, text)]
    holds = any(_JUDGES.search(repository.text(path)) for path in said)
    return _yes(holds, f"{said[0]} only says so" if said else f"nothing holds {name} against {number} ms")


# -- pipeline and images ------------------------------------------------------------------------------------------


def _daily_scan(repository: Repository, found: re.Match[str]) -> Answer:
    for workflow in repository.documents(Workflow):
        if workflow.composite or not _SCANS.search(workflow.source.text):
            continue
        events = workflow.root.data.get("on")
        schedule = events.get("schedule") if isinstance(events, dict) else None
        if any(_CRON_DAILY.match(str(each.get("cron", ""))) for each in schedule or [] if isinstance(each, dict)):
            return Verdict.TRUE, ""
    return Verdict.FALSE, "no workflow that scans runs every day"


def _stages(repository: Repository, found: re.Match[str]) -> Answer:
    """That there are stages, and that what they copy is there to be copied."""
    images = repository.fact(Images)
    words = (word.strip("`*()[],:;•").removeprefix("./") for word in found.string.split())
    named = next((word for word in words if "Dockerfile" in word), "")
    if named and not any(path.endswith(named) for path in repository.files):
        return Verdict.FALSE, f"{named} is not there"
    staged = [document for document in repository.documents(Dockerfile) if len(document.stages) > 1]
    if not staged:
        return Verdict.FALSE, "no Dockerfile has more than one stage"
    for image in images.images if images is not None else ():
        if image.dockerfile not in staged:
            continue
        for instruction in image.dockerfile.instructions:
            if instruction.op != "COPY" or instruction.heredocs:
                continue
            lacks = _lacks(image, instruction, repository)
            if lacks:
                return Verdict.FALSE, f"{image.path}:{image.dockerfile.line(instruction)} copies {lacks}"
    return Verdict.TRUE, ""


def _lacks(image: Image, instruction: Instruction, repository: Repository) -> str:
    """What a COPY takes that is not where it is taken from, in words; empty where all is there or may be."""
    contexts = sorted({each.context for each in image.builds if each.context is not None})
    if image.context is not None and not contexts:
        contexts = [image.context]
    if instruction.flag("from") is not None:
        stage = image.dockerfile.source_stage(instruction)
        context = contexts[0] if len(contexts) == 1 else None
        return _moved(image, stage, instruction, context, repository) if stage and context is not None else ""
    for source in instruction.args[:-1]:
        if not contexts and not any(_is_in(each, source, repository) for each in (posixpath.dirname(image.path), "")):
            return f"{source}: not there"
        for context in contexts:
            if not _is_in(context, source, repository):
                return f"{source}: not in {context or 'the top'}, from which it is built"
    return ""


def _moved(image: Image, stage: Stage, instruction: Instruction, context: str, repository: Repository) -> str:
    """What is copied from a stage that has all of the context, which has it in another folder; no command there names
    it, so it is no product of the build."""
    whole = [each for each in stage.instructions if each.op == "COPY" and each.args[:-1] in ((".",), ("./",))]
    if not whole or stage.parent is not None:
        return ""
    folder = posixpath.normpath(posixpath.join(image.folder_at(whole[0]), whole[0].args[-1]))
    made = "\n".join(each.text for each in stage.instructions if each.op == "RUN")
    for source in instruction.args[:-1]:
        inside, name = posixpath.relpath(posixpath.join("/", source), folder), posixpath.basename(source.rstrip("/"))
        if inside.startswith("..") or name in made or _is_in(context, inside, repository):
            continue
        ending = f"/{name}"
        there = next(
            (each for path in repository.below(context) for each in (path, *_above(path)) if each.endswith(ending)), ""
        )
        if there:
            return f"{source} from {stage.name or stage.index}, which has it in {posixpath.dirname(there)}"
    return ""


def _above(path: str) -> Iterator[str]:
    while path := posixpath.dirname(path):
        yield path


def _is_in(folder: str, source: str, repository: Repository) -> bool:
    """Whether a folder holds what COPY names; so, for a pattern or a variable."""
    path = posixpath.normpath(posixpath.join(folder, source.strip("/") or "."))
    known = path == "." or repository.exists(path) or repository.has_folder(path)
    return known or any(each in source for each in "*?[$")


def _compose(repository: Repository, found: re.Match[str]) -> Answer:
    """That a stack can start: the files that it mounts are there."""
    documents = list(repository.documents(Compose))
    if not documents:
        return Verdict.FALSE, "no compose file is there"
    for document in documents:
        for service in document.services.values():
            for mount in service.merged.mounts:
                if (
                    mount.folder
                    and mount.bind
                    and posixpath.splitext(mount.folder)[1]
                    and not repository.exists(mount.folder)
                ):
                    return Verdict.FALSE, f"{document.source.path} mounts {mount.source}, which is not there"
    return Verdict.TRUE, ""


def _named_in_workflows(what: str) -> Judge:
    def judge(repository: Repository, found: re.Match[str]) -> Answer:
        texts = "\n".join(workflow.source.text for workflow in repository.documents(Workflow))
        return _yes(found["name"] in texts, f"no workflow names this {what}")

    return judge


def _pushed_to(repository: Repository, found: re.Match[str]) -> Answer:
    """That a workflow names a repository of images as one: behind a registry, or in a variable for it."""
    name = re.escape(found["name"])
    named = re.compile(rf"(?i)(?:/|repositor(?:y|ies)[\w-]{{0,40}}[\"']?[:=\s]{{1,9}}[\"']?){name}(?![\w-])")
    texts = (workflow.source.text for workflow in repository.documents(Workflow))
    return _yes(any(named.search(text) for text in texts), "no workflow pushes to this repository")


def _env_template(repository: Repository, found: re.Match[str]) -> Answer | None:
    """That whoever fills the template in has said all that the settings ask for."""
    project = repository.fact(DjangoProject)
    path = next((each for each in repository.files if posixpath.basename(each) == found["name"]), "")
    if project is None or not path:
        return None
    there = {entry.name for entry in entries(Lines.parse(Source(path, repository.text(path))))}
    asked = {
        read.name
        for module in project.chain(project.production_path)
        for read in module_reads(module.document)
        if read.name not in there and read.name != "DJANGO_SETTINGS_MODULE"
    }
    return _yes(not asked, f"{path} lacks {listed(sorted(asked))}" if asked else "")


def _route(repository: Repository, found: re.Match[str]) -> Answer | None:
    routes = repository.fact(Routes)
    answers = routes.answers(found["name"]) if routes is not None else None
    return _yes(answers, "no such route") if answers is not None else None


# -- recovery -----------------------------------------------------------------------------------------------------


def _backups(repository: Repository, found: re.Match[str]) -> Answer:
    backups = repository.fact(Backups)
    kept = backups is not None and (backups.scheduled is not None or bool(backups.infrastructure))
    return _yes(kept, "nothing backs up on a schedule")


def _restores(repository: Repository, found: re.Match[str]) -> Answer:
    backups = repository.fact(Backups)
    return _yes(backups is not None and backups.tried is not None, "nothing restores a backup to try it")


# -- monitoring ---------------------------------------------------------------------------------------------------


def _exports(repository: Repository, found: re.Match[str]) -> Answer:
    exporters = repository.fact(Exporters)
    return _yes(exporters is not None and bool(exporters.by), "nothing exports metrics of the application")


def _watches(repository: Repository, found: re.Match[str]) -> Answer:
    asking = repository.fact(Asking)
    asks = asking is not None and (bool(asking.checks) or bool(asking.elsewhere))
    return _yes(asks, "nothing asks from outside whether it answers")


def _alerts(repository: Repository, found: re.Match[str]) -> Answer:
    prometheus, tellers = repository.fact(PrometheusFiles), repository.fact(Tellers)
    rules = prometheus is not None and bool(prometheus.rules)
    told = tellers is not None and any(each.after_failure for each in tellers.found)
    return _yes(rules or told, "no rule and no workflow tells anybody of a failure")


def _cloudwatch(repository: Repository, found: re.Match[str]) -> Answer:
    cloudwatch = repository.fact(CloudWatch)
    return _yes(cloudwatch is not None and bool(cloudwatch.by), "nothing sends metrics to CloudWatch")


_PRACTICES = tuple(
    Practice(kind, re.compile(pattern, re.IGNORECASE), judge)
    for kind, pattern, judge in (
        (
            "lines",
            r"(?P<file>[\w./-]+\.(?:md|txt|sh|py|ya?ml))\b[^\n(]{0,60}\((?P<number>[\d,]+)(?P<more>\+?) lines\)",
            _lines,
        ),
        (
            "scripts",
            r"(?P<number>\d+)\+? (?:automation |shell |operational )?scripts\b",
            _counted("scripts", (".sh", ".py"), "scripts"),
        ),
        ("runbooks", r"(?P<number>\d+)\+? runbooks\b", _counted("runbooks", (".md",), "runbooks")),
        (
            "coverage",
            r"(\d+)\s?% (?:test |code )?coverage (?:requirement|required|minimum|enforced|threshold|gate)",
            _coverage,
        ),
        (
            "parallel tests",
            r"parallel tests?(?: execution)?|pytest-xdist",
            _any_text(
                _CONFIGURES_TESTS,
                r"(?:pytest|addopts)[^\n]{0,200}\s-n[ =]?(?:auto|logical|\d)|--numprocesses",
                "no configuration and no job runs them in parallel",
            ),
        ),
        (
            "visual tests",
            r"visual regression",
            _any_text(
                re.compile(r"\.(?:[cm]?[jt]sx?|py)$"),
                r"toHaveScreenshot|toMatchImageSnapshot|percySnapshot|eyes\.check",
                "no test compares pictures",
            ),
        ),
        ("browsers", r"cross-browser", _browsers),
        (
            "failures",
            r"\b(?:failure|error) rate\b\W*<\s*(?P<number>\d+(?:\.\d+)?)\s?%",
            _failures,
        ),
        ("limit", r"\b(?P<percentile>p(?:50|90|95|99))\b\W{0,6}<?\s*(?P<number>\d+)\s?ms", _percentile),
        ("daily scan", r"daily (?:\w+ )?(?:dependency |security |vulnerability )?scan\w*", _daily_scan),
        ("stages", r"multi-?stage(?: docker)?(?: builds?)?", _stages),
        ("stack", r"(?:complete|full|local) (?:dev(?:elopment)?|docker) (?:stack|environment)", _compose),
        ("cluster", r"\bECS cluster(?: name)?(?::| \()\s*[*`\"]*(?P<name>[a-z][\w-]+)", _named_in_workflows("cluster")),
        (
            "registry",
            r"\bECR(?: repositor(?:y|ies))?(?::| \()\s*[*`\"]*(?P<name>[a-z][\w-]+)",
            _pushed_to,
        ),
        ("env template", r"(?P<name>[.]env[.](?:example|sample|template|dist))\b", _env_template),
        (
            "route",
            r"(?:GET |[`(]|endpoint:? ?)(?P<name>/(?:api|health|metrics|status)[\w/-]*)(?=[`)]|\s|$)",
            _route,
        ),
        (
            "backups",
            r"(?:automated|daily|scheduled|nightly) (?:database )?backups?\b"
            r"|backup(?:\s*(?:/|&|and)\s*restore)? automation|backup[^\n]{0,30}\boperational",
            _backups,
        ),
        (
            "restores",
            r"(?:tested|verified) restores?|restore (?:procedures? )?(?:operational|tested|verified)",
            _restores,
        ),
        (
            "metrics",
            r"prometheus (?:metrics|monitoring|exporter)|metrics (?:endpoint|exported|collection)",
            _exports,
        ),
        ("uptime checks", r"uptime (?:monitoring|monitor|checks?)\b|synthetic (?:monitoring|checks?)", _watches),
        ("alerts", r"(?:slack|automated|real-time) (?:alerts?|alerting|notifications?)\b", _alerts),
        ("CloudWatch", r"cloudwatch (?:metrics|alarms?|monitoring|integration|export)", _cloudwatch),
        (
            "duration",
            r"\b(?:time|duration|build|pipeline|downtime|RTO|RPO|CI|deploy\w*)\b[^\n]{0,40}?"
            r"(?P<said>[~<>≈]?\s?\d+(?:-\d+)?\s?(?:minutes|mins?|seconds)\b)",
            _not_checkable,
        ),
        (
            "size",
            r"(?:image|docker|bundle)[^\n]{0,40}?(?P<said>[~<>≈]?\s?\d+\s?[MG]B\b)",
            _not_checkable,
        ),
        (
            "rate",
            r"\b(?:uptime|availability|success|pass|failure)\b(?! rate\W*<)[^\n|]{0,20}?\d+(?:\.\d+)?\s?%",
            _not_checkable,
        ),
        ("cost", r"\$\s?\d[\d,]*(?:\s?/\s?month)?", _not_checkable),
    )
)
