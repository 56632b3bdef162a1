"""The databases and caches that stand beside a job: which of them its settings reach, and by what address."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fixer.github.expressions import only_read, reads, reads_below
from fixer.languages.tables import mapping, sequence
from fixer.records import record

if TYPE_CHECKING:
    from fixer.django.project import DjangoProject
    from fixer.django.settings import Database
    from fixer.github.workflow import Job

Plain = dict[str, Any]

POSTGRES_OPTIONS = "--health-cmd pg_isready --health-interval 10s --health-timeout 5s --health-retries 5"
REDIS_OPTIONS = '--health-cmd "redis-cli ping" --health-interval 10s --health-timeout 5s --health-retries 5'
LOCAL = frozenset({"", "localhost", "127.0.0.1", "::1", "0.0.0.0"})

_IMAGE = re.compile(r"(?:^|/)(?P<name>postgres|postgis|pgvector|timescaledb|mysql|mariadb|redis|valkey)[^/]*$", re.I)
_PORTS = {"redis": 6379, "valkey": 6379, "mysql": 3306, "mariadb": 3306}
_VENDORS = {"mysql": "mysql", "mariadb": "mysql", "redis": "redis", "valkey": "redis"}
_CLIENTS = {
    "postgresql": ("psql", "pg_isready", "createdb"),
    "mysql": ("mysql", "mysqladmin", "mariadb", "mariadb-admin"),
    "redis": ("redis-cli",),
}
# Which part of its address a variable of a cache is told by its name.
_PART_OF_REDIS = re.compile(
    r"(?P<url>URL|URI|DSN|LOCATION)|(?P<port>PORT)|(?P<index>(DB|INDEX|DATABASE)$)|(?P<host>HOST|SERVER|ADDR)", re.I
)
_REDIS = {"url": "redis://localhost:6379/0", "host": "localhost", "port": "6379", "index": "0"}


@record
class ServiceAddress:
    """Where a PostgreSQL service of a job is reached from its steps, and as whom."""

    host: str
    port: str
    database: str
    user: str
    password: str


def vendor_of_service(service: Any) -> str:
    """What a service runs: `postgresql`, `mysql`, `redis`; empty for anything else."""
    kind = _kind(service)
    return _VENDORS.get(kind, "postgresql") if kind else ""


def _kind(service: Any) -> str:
    image = str(service.get("image", "")) if isinstance(service, dict) else str(service)
    found = _IMAGE.search(image.partition("@")[0].split(":")[0])
    return found["name"].lower() if found else ""


# Variables that are set on every runner: https://docs.github.com/en/actions/reference/workflows-and-actions/variables
_ON_A_RUNNER = re.compile(r"\b(GITHUB_ACTIONS|CI)\b")


def default_database(project: DjangoProject, given: Mapping[str, Any]) -> Database | None:
    """The default database of the settings; None where they have another, which needs no server, on a runner.

    `given` are the variables of the job, also those whose values are known only when it runs.
    """
    found = next((each for each in project.databases if each.alias == "default"), None)
    if found is None or any(_is_off_on_a_runner(guard) or _fails_here(guard, given) for guard in found.guards):
        return None
    return found


def _fails_here(guard: str, given: Mapping[str, Any]) -> bool:
    """Whether a condition certainly does not hold with these variables; it may be a word such as `try`."""
    try:
        return _holds(ast.parse(guard, mode="eval").body, given) is False
    except SyntaxError:
        return False


def _holds(node: ast.expr, given: Mapping[str, Any]) -> bool | None:
    """Whether a condition holds that compares a variable, or its default, with a text; None where that is not all."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        held = _holds(node.operand, given)
        return None if held is None else not held
    if not isinstance(node, ast.Compare) or len(node.ops) != 1 or not isinstance(node.left, ast.Call):
        return None
    call, right = node.left, node.comparators[0]
    texts = [each.value for each in (*call.args, right) if isinstance(each, ast.Constant)]
    if not ast.unparse(call.func).endswith(("environ.get", "getenv")) or len(texts) != 3 or call.keywords:
        return None
    name, default, wanted = texts
    value = str(given.get(str(name), default))
    if "${{" in value or not isinstance(node.ops[0], ast.Eq | ast.NotEq):
        return None
    return (value == wanted) == isinstance(node.ops[0], ast.Eq)


def _is_off_on_a_runner(guard: str) -> bool:
    """Whether a condition does not hold where GitHub runs: `not os.getenv("CI")`, or what `else` of the other means."""
    denied = re.fullmatch(r"not \(?(.*?)\)?", guard)
    return denied is not None and not denied[1].startswith("not ") and _ON_A_RUNNER.search(denied[1]) is not None


def copied_services(job: Job, project: DjangoProject, given: Mapping[str, str], *, everything: bool) -> Plain:
    """The services of a job for another one with these settings; `given` are the variables that reach them.

    A database that the settings cannot reach stays behind; so do, without `everything`, those that are no database.
    """
    found: Plain = {}
    services = mapping(job.data.get("services"))
    # Steps in a container reach a service by its name, steps on the runner only by its port.
    wanted = reached_vendors(project, given, LOCAL | set(services) if job.container is not None else LOCAL)
    for name, service in services.items():
        vendor = vendor_of_service(service)
        if vendor in ("postgresql", "mysql"):
            if wanted is not None and vendor not in wanted:
                continue
        elif not everything:
            continue
        found[name] = _reachable(service, job)
    return found


def is_named(text: str, name: str, service: Any, environment: Mapping[str, str]) -> bool:
    """Whether a script, or what an action is given, names a service: its port, its name as a host, its client."""
    text = re.sub(r"\$\{?(\w+)\}?", lambda found: environment.get(found[1], found[0]), text)
    declared = sequence(mapping(service).get("ports"))
    ports = [str(each).partition("/")[0].split(":") for each in declared]
    words = [re.escape(each[-2] if len(each) > 1 else each[0]) for each in ports if each[-1]]
    words += [re.escape(name), *_CLIENTS.get(vendor_of_service(service), ())]
    return re.search(rf"(?<![\w.-])({'|'.join(words)})(?![\w.-])", text) is not None


def reached_vendors(
    project: DjangoProject, given: Mapping[str, str], hosts: frozenset[str] = LOCAL
) -> frozenset[str] | None:
    """The vendors of the databases that these settings reach on `hosts`; None where that cannot be told."""
    found: set[str] = set()
    if not project.databases:
        return None
    for database in project.databases:
        url, engine = database.reads.get("URL"), database.reads.get("ENGINE")
        written = given.get(url.name, url.default or "") if url is not None else ""
        if engine is not None:
            written = f"{given.get(engine.name, engine.default or '').rpartition('.')[2]}:"
        vendor = _vendor_of_url(written) or database.vendor
        if database.shape == "opaque" or (not vendor and not written):
            return None
        if written and not _vendor_of_url(written) and not database.vendor:
            return None
        if _host_of(database, given) in hosts:
            found.add(vendor)
    return frozenset(found)


def _vendor_of_url(url: str) -> str:
    scheme = url.partition(":")[0].lower() if ":" in url else ""
    if re.match(r"postgres|postgis|psql|pgsql|timescale", scheme):
        return "postgresql"
    if re.match(r"mysql|mariadb", scheme):
        return "mysql"
    return "sqlite" if re.match(r"sqlite|spatialite", scheme) else ""


def _host_of(database: Database, given: Mapping[str, str]) -> str:
    """The host that the variables of the job, or a literal, name; empty where the job is free to choose."""
    read = database.reads.get("HOST")
    host = given.get(read.name, "") if read is not None else database.values.get("HOST", "")
    return "" if "$" in host else host


def _reachable(service: Any, job: Job) -> Any:
    """A service that steps on the runner reach on a port that is known."""
    vendor = vendor_of_service(service)
    if not vendor or not isinstance(service, dict) or job.container is not None:
        return service
    made = dict(service)
    port = _PORTS.get(_kind(service), 5432)
    by_name = any(read.path[:2] == ("job", "services") for read in reads_below(job.data))
    if not by_name and str([*sequence(made.get("ports")), ""][0]) in ("", str(port), f"{port}/tcp"):
        made["ports"] = [f"{port}:{port}"]  # a port that is chosen when the job runs could not be named
    if vendor == "postgresql":
        made.setdefault("options", POSTGRES_OPTIONS)
    return made


def address_of(
    services: Mapping[str, Any], environment: Mapping[str, Any], *, by_name: bool = False
) -> ServiceAddress | None:
    """Where the PostgreSQL service listens; None where there is none, or something of it cannot be told.

    `environment`: the variables that its own may be made of, as in `${{ env.DB_NAME }}`. `by_name`: the steps run in a
    container too, and reach it by its name, on its own port.
    """
    name = next((name for name, each in services.items() if vendor_of_service(each) == "postgresql"), "")
    service = services.get(name)
    if not isinstance(service, dict):
        return None
    ports = [*sequence(service.get("ports")), ""]
    port = "5432" if by_name else str(ports[0]).rpartition(":")[0].rpartition(":")[2]
    env = {name: _told(value, environment) for name, value in mapping(service.get("env")).items()}
    user = env.get("POSTGRES_USER", "postgres")
    database, password = env.get("POSTGRES_DB", user), env.get("POSTGRES_PASSWORD", "")
    if not port.isdigit() or any(_reads_env(value) for value in (user, database, password)):
        return None
    return ServiceAddress(name if by_name else "localhost", port, database, user, password)


def _told(value: Any, environment: Mapping[str, Any]) -> str:
    read = only_read(value) if isinstance(value, str) else None
    if read is not None and read.context == "env":
        return str(environment.get(read.name, value))
    return str(value)


def _reads_env(text: str) -> bool:
    """Whether a text could not stand in the variables of a job."""
    return any(read.context not in ("secrets", "vars", "github", "inputs") for read in reads(text))


def redis_environment(project: DjangoProject) -> Plain:
    """The address of a Redis service, in the variables of the caches that are told a part of it by name."""
    found: Plain = {}
    for read in (read for cache in project.caches for read in cache.reads):
        part = _PART_OF_REDIS.search(read.name)
        if part and part.lastgroup and not re.search("localhost|127.0.0.1", read.default or ""):
            found.setdefault(read.name, _REDIS[part.lastgroup])
    return found
