"""What the processes of gunicorn need to count together."""

from __future__ import annotations

import re
from collections.abc import Iterable

from fixer.languages.python import PythonModule, constant
from fixer.model import Blocked, NewFile, Parts, joined
from fixer.monitoring.processes import GunicornConfigs, Served, started_with
from fixer.scripts import template

_CONFIG = "gunicorn.conf.py"
_HOOKS = re.compile(r"^def (child_exit|on_exit)\b", re.MULTILINE)
_MODULE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")
_WORKERS_SET = re.compile(r"^workers\s*=\s*(\d+)\s*(?:#.*)?$", re.MULTILINE)


def sharing(servers: Iterable[Served], configs: GunicornConfigs) -> tuple[Parts | NewFile, ...]:
    """What lets the workers of each server count in one folder."""
    found: dict[str, Parts | NewFile] = {}
    for each in servers:
        path, part = _sharing(each, configs)
        found.setdefault(path, part)
    return tuple(part for part in found.values() if part != ())


def _sharing(server: Served, configs: GunicornConfigs) -> tuple[str, Parts | NewFile]:
    started = server.started
    place = f"{started.path}:{started.line}"
    if server.program != "gunicorn":
        return place, Blocked(
            f"{place}: the processes of {server.program} have no place to share what they count",
            "start it as `PROMETHEUS_MULTIPROC_DIR=$(mktemp -d) …`, or start one process in each container",
        )
    if started_with(started, "-u", "--user"):
        return place, Blocked(
            f"{place}: gunicorn changes its user, and the folder would belong to the first one",
            "let the container start as that user",
        )
    if server.is_told_more:
        return place, Blocked(f"{place}: GUNICORN_CMD_ARGS gives it further options", f"say them in {_CONFIG} instead")
    given = started_with(started, "-c", "--config").removeprefix("file:")
    if started_with(started, "--max-requests") not in ("", "0"):
        return place, _replaced(place)
    if started.folder is None or given.startswith("python:") or "$" in given:
        return place, Blocked(f"{place}: where gunicorn reads its configuration is not known", f"set it in {_CONFIG}")
    path = _path(started.folder, given, configs) if given else f"{started.folder}/{_CONFIG}".lstrip("/")
    if path in configs.modules:
        return path, _extended(configs.modules[path], server)
    if _serves_from_elsewhere(server, configs):
        return path, Blocked(
            f"{place}: in which folder gunicorn starts is not known: what it serves stands in another than "
            f"{started.folder or 'the top'}",
            f"write {_CONFIG} by hand",
        )
    if given or path in configs.refused:
        why = configs.refused.get(path, "it is not there")
        return path, Blocked(f"{path}, which configures gunicorn, cannot be edited: {why}", "write it by hand")
    return path, NewFile(path, template(__package__, "gunicorn.conf.py"))


def _replaced(place: str) -> Blocked:
    return Blocked(
        f"{place}: gunicorn replaces its workers after some requests, and the files of each, in which its counts are, "
        "stay until all of it is started anew",
        "start it without max_requests, or let a new worker go on in the files of the one that it replaces",
    )


def _serves_from_elsewhere(server: Served, configs: GunicornConfigs) -> bool:
    """Whether the module that is served is not where the server is taken to start, and somewhere else. What a Procfile
    says does start in its folder."""
    started = server.started
    if started.path.rpartition("/")[2] == "Procfile" or started_with(started, "--chdir", "--pythonpath"):
        return False
    for word in started.argv:
        module = word.partition(":")[0]
        if _MODULE.fullmatch(module):
            path = f"{module.replace('.', '/')}.py"
            here = f"{started.folder}/{path}".lstrip("/")
            return here not in configs.taken and any(f"/{each}".endswith(f"/{path}") for each in configs.taken)
    return False


def _path(folder: str, given: str, configs: GunicornConfigs) -> str:
    """The file of the repository that `--config` means: from where gunicorn starts, or by its end within an image."""
    path = f"{folder}/{given.removeprefix('./')}".lstrip("/") if not given.startswith("/") else given
    if path in configs.modules:
        return path
    ends = [each for each in configs.modules if given.endswith(f"/{each.rpartition('/')[2]}")]
    return ends[0] if len(ends) == 1 else path


def _extended(module: PythonModule, server: Served) -> Parts:
    """A configuration that is there gets the same lines, unless it says that there is one worker."""
    text = module.source.text
    count = _WORKERS_SET.search(text)
    if "PROMETHEUS_MULTIPROC_DIR" in text or (server.workers is None and count is not None and count[1] == "1"):
        return ()
    limits = [value for value in module.assignments.get("max_requests", ()) if constant(value) not in (0, None)]
    if limits:
        return _replaced(f"{module.path}:{module.line_of(limits[0])}")
    hook = _HOOKS.search(text)
    if hook is not None:
        return Blocked(
            f"{module.path} defines {hook[1]} already",
            "let its child_exit(server, worker) call prometheus_client.multiprocess.mark_process_dead(worker.pid),"
            " and set PROMETHEUS_MULTIPROC_DIR at its top",
        )
    code = module.in_its_quotes(template(__package__, "gunicorn.conf.py").partition('"""\n\n')[2].strip("\n"))
    if not module.tree.body:  # imports and code would stand at one place, in no order
        return module.append_code(code)
    imports = module.add_imports("importlib", "os", "shutil", "tempfile")
    return joined([imports, module.append_code(code.partition("import tempfile\n")[2].strip("\n"))])
