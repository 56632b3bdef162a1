"""PostgreSQL has a connection for each process and thread of the application, and no pooler in front of it.

## Why
PostgreSQL forks a process for each connection, and refuses the one above `max_connections`, 100 by default. Workers
times threads times instances reach that soon, and on the day of a deployment old and new ones count together. pgbouncer
lends a few connections to all of them, for one transaction at a time.

Pooling by transaction asks for more than another host name: server-side cursors are switched off (without that 145 of
160 uses of `.iterator()` failed), the login is SCRAM with the password from the environment (a user list of md5 hashes
cannot log in to PostgreSQL 14 and later), and the health check asks the database and not the pooler alone.

It is a practice, not a defect, unless what the repository starts can open more connections than the server takes.

## When it is left alone
Projects with a pooler, RDS Proxy or Django's own pool; other databases; what serves nothing. Reported, not fixed: code
and packages that need a session for themselves (a search path for each tenant, LISTEN, advisory locks, SET), startup
options, which a pooler does not keep; an application that signs in as another role than the server's own; compose files
for development, by their command, their settings or a DEBUG that these read, and such as may be, since a condition
decides what they start; such as a deployment starts in part (`--no-deps`) or does not bring to its server; and
production that is not run by a compose file of the repository, such as ECS, where the pooler is another container of a
task definition. `compose = true` adds it to the compose file all the same.
"""

from __future__ import annotations

import ast
import posixpath
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from fixer.deploy.deploy_job import DeployJob
from fixer.deploy.deployments import Deployments
from fixer.django.databases import DatabaseServers
from fixer.django.project import DjangoProject
from fixer.django.sessions import Sessions
from fixer.django.settings import Database, environment_reads, module_reads, own_dict, resolve
from fixer.docker.compose import Compose, Service
from fixer.docker.pinned import pinned
from fixer.documents import kind_of, name_of
from fixer.github.expressions import places
from fixer.languages.python import item
from fixer.languages.shell import Command, Script, Shell, word
from fixer.languages.yaml import Flow
from fixer.model import (
    Blocked,
    Finding,
    Fix,
    Level,
    NewFile,
    Parts,
    Profile,
    Rule,
    RuleOptions,
    Tier,
    joined,
    listed,
    option,
)
from fixer.recovery.schedules import production
from fixer.runtime.picture import Runtime
from fixer.runtime.programs import SETTINGS_VARIABLE, Kind, Program, Server, Started
from fixer.scripts import Quoted, ScriptText, template

POOLER = "pgbouncer"
_COMPOSE = "rules.missing-pgbouncer.compose = true"
_RESERVED = 3  # connections that PostgreSQL keeps for superusers
_GETS = frozenset(("pull", "fetch", "clone", "reset", "checkout"))
_SHELLS = frozenset(("ssh", "sh", "bash"))
_DEFAULT = re.compile(r"\$\{\w+:?-(?P<default>[^}]*)\}")
_DUMPS = re.compile(r"back-?_?up|pg_dump", re.IGNORECASE)
_DEBUG = ("DEBUG", "DJANGO_DEBUG")
_TRUE = ("1", "true", "yes", "on")
_DEVELOPMENT_SERVER = re.compile(r"\brunserver|--(py-)?auto-?reload|--reload\b")


class Options(RuleOptions):
    compose: bool = option(False, "add it to the compose file, whatever production runs on")
    image: str = option(pinned("pgbouncer"), "the image of pgbouncer; its start script makes the user list")
    pool_size: int = option(20, "connections to PostgreSQL for each user and database")


def check(
    django: DjangoProject,
    runtime: Runtime,
    servers: DatabaseServers,
    sessions: Sessions,
    deployments: Deployments | None,
    options: Options,
) -> Iterator[Finding]:
    deploying = _deploying(deployments) if deployments is not None else None
    elsewhere = deploying if deploying is not None and not _is_by_compose(deploying) else None
    for project, database in _of_production(django):
        serving = [each for each in runtime.deployed if each.is_django and _serves(each)]
        if not serving:
            return
        started = servers.pooler_of_compose(project, database) if elsewhere is not None else ""
        if _is_pooled_by_nobody(project, database, servers):
            most, limit = _connections(runtime, serving)
            message = "each process and thread of the application has a connection of its own to PostgreSQL"
            if most > limit:
                message = f"up to {most} connections are opened, and PostgreSQL takes {limit}"
            cure = _cure(database, project, runtime, sessions, deploying, options)
            level = Level.WARNING if most > limit else None
        elif started and elsewhere is not None:
            message = f"{started} starts a pooler, and {_named(elsewhere)} deploys without that file"
            cure, level = _beside_production(elsewhere), None
        else:
            continue
        yield Finding(database.path, database.module.span(database.node), message, cure, level)
        return


def _of_production(django: DjangoProject) -> Iterator[tuple[DjangoProject, Database]]:
    """The databases on PostgreSQL of each project, as production's settings have them: what comes last wins."""
    for project in django.projects:
        for settings in reversed(project.chain(project.production_path)) if not project.is_aside else ():
            if settings.role not in ("test", "development"):
                yield from (
                    (project, database)
                    for database in settings.databases
                    if database.alias == "default" and project.is_postgres(database)
                )


def _deploying(deployments: Deployments) -> DeployJob | None:
    """The job that deploys to production; of several that may, one that does so by a compose file."""
    first = production(deployments)
    if first is None or "${{" in first.environment:
        return first
    jobs = [job for found in deployments.jobs.values() for job in found if job.environment == first.environment]
    return next(filter(_is_by_compose, jobs), first)


def _named(job: DeployJob) -> str:
    return f"job {job.id} of {job.workflow.path}"


def _is_by_compose(job: DeployJob) -> bool:
    """Whether a job that deploys does so by a compose file."""
    return any(each.way.name == "Docker Compose" for each in job.deployments) or any(map(_is_compose, _run_by(job)))


def _run_by(job: DeployJob) -> Iterator[Command]:
    """The commands of a job: those that it hands to another shell or machine, as a word, an input or a here-document,
    too."""
    waiting: list[Any] = [job.job.data]
    while waiting:
        data = waiting.pop()
        if isinstance(data, dict | list):
            waiting += data.values() if isinstance(data, dict) else data
        elif isinstance(data, str) and " " in data:
            for command in Script.parse(data, Shell(), places(data)).commands:
                yield command
                waiting.append(command.here_document)
                waiting += [word.text for word in command.args if command.name in _SHELLS]


def _is_compose(command: Command) -> bool:
    words = [each.text for each in command.words]
    return words[:1] == ["docker-compose"] or words[:2] == ["docker", "compose"]


def _files_of(job: DeployJob) -> frozenset[str]:
    """The names of the compose files by which a job starts containers, here or on a server; empty where it names none,
    or one that nothing tells."""
    found: set[str] = set()
    for command in _run_by(job):
        words = [each.text for each in command.words]
        named = [words[at + 1] for at, each in enumerate(words[:-1]) if each in ("-f", "--file")]
        if not _is_compose(command) or "up" not in words:
            continue
        if not named or any("$" in each for each in named):
            return frozenset()
        found.update(map(posixpath.basename, named))
    return frozenset(found)


def _is_pooled_by_nobody(project: DjangoProject, database: Database, servers: DatabaseServers) -> bool:
    if servers.is_another(project, database) or servers.pooler_of(project, database):
        return False
    return not _says(project, database, "pool")


def _says(project: DjangoProject, database: Database, key: str) -> bool:
    """Whether OPTIONS has a key, in the literal or by a statement below it."""
    if item(own_dict(database.module, database.options), key) is not None:
        return True
    later = (each.statement for each in project.later_of(database))
    nodes = (node for statement in later for node in ast.walk(statement))
    return any(isinstance(node, ast.Constant) and node.value == key for node in nodes)


def _others(project: DjangoProject, database: Database) -> list[Database]:
    """Further definitions of the same database, where conditions decide which of them holds."""
    found = [
        other
        for settings in project.chain(project.production_path)
        for other in settings.databases
        if other.alias == database.alias and other is not database and project.is_postgres(other)
    ]
    return [each for each in found if each.module is database.module or database.guards]


def _serves(program: Program) -> bool:
    return any(not _DEVELOPMENT_SERVER.search(each.source) for each in program.running(Kind.SERVER, Kind.WORKER))


def _connections(runtime: Runtime, serving: list[Program]) -> tuple[int, int]:
    """The connections that are opened at most, as far as numbers stand in commands, and those that PostgreSQL takes."""
    by_file: dict[str, int] = {}
    for program in serving:
        if program.origin == "dockerfile" and any(
            other.image is program.image for other in serving if other is not program
        ):
            continue  # the image as it is built, which another file starts
        for started in program.running(Kind.SERVER, Kind.WORKER):
            processes = _number(started.command.value("-w", "--workers", "-c", "--concurrency", "--processes"))
            threads = _number(started.command.value("--threads"))
            by_file[program.path] = by_file.get(program.path, 0) + processes * threads
    most = max(by_file.values(), default=0)  # files beside each other start the same application
    limit = 100
    for program in runtime.programs:
        for started in program.commands:
            found = re.search(r"max_connections\s*=\s*(\d+)", started.source)
            limit = int(found[1]) if found else limit
    return most, limit - _RESERVED


def _number(word: Any) -> int:
    return int(word.text) if word is not None and word.text.isdigit() else 1


# -- the fix ------------------------------------------------------------------------------------------------------


def _cure(
    database: Database,
    project: DjangoProject,
    runtime: Runtime,
    sessions: Sessions,
    deploying: DeployJob | None,
    options: Options,
) -> Fix | Blocked:
    elsewhere = deploying if deploying is not None and not _is_by_compose(deploying) else None
    if sessions.needed_by:
        return Blocked(
            f"{sessions.needed_by}: behind a pooler by transaction another client has the connection next",
            "pool by session, which saves connections only of clients that are away, or do without it first",
        )
    if _says(project, database, "options"):
        return Blocked(
            "OPTIONS has startup options, which a pooler refuses or forgets",
            "give them to the role: ALTER ROLE … SET …; then run fhfix again",
        )
    if others := _others(project, database):
        return Blocked(
            f"{others[0].path}:{others[0].statement.lineno} says the same database otherwise, and which of the two "
            "holds is decided when it runs",
            f"let {POOLER} be reached by both, and set DISABLE_SERVER_SIDE_CURSORS in both",
        )
    if elsewhere is not None and not options.compose:
        return _beside_production(elsewhere, "; or add it to the compose file", _COMPOSE)
    found = _neighbours(runtime)
    if found is not None and deploying is not None and not options.compose:
        used = _files_of(deploying)
        if used and posixpath.basename(found[0].source.path) not in used:
            return Blocked(
                f"{_named(deploying)} deploys by {listed(sorted(used))}, and not by {found[0].source.path}, which "
                "starts PostgreSQL beside the application",
                "run pgbouncer beside the application there, or RDS Proxy; or add it to the other compose file",
                _COMPOSE,
            )
    if found is None:
        path = next(
            (each.place.path for each in runtime.servers if each.engine == "postgresql" and _is_composed(each)), ""
        )
        reason = f"which service reaches the PostgreSQL of {path} cannot be told from its variables" if path else (
            "no compose file starts PostgreSQL beside the application"
        )  # fmt: skip
        return Blocked(reason, "run pgbouncer where the application runs")
    if (development := _for_development(found[0], project, runtime)) and not options.compose:
        return Blocked(
            f"{found[0].source.path} is for development, since it {development}: a pooler there would do nothing for "
            "production",
            "run pgbouncer where production runs; or add it to the compose file",
            _COMPOSE,
        )
    if (doubtful := _may_be_for_development(found[0], runtime)) and not options.compose:
        return Blocked(
            f"whether {found[0].source.path} is for development is not known: a condition decides whether it starts "
            f"`{doubtful}`",
            "run pgbouncer where production runs; or add it to the compose file",
            _COMPOSE,
        )
    missed = _missed_by(deploying, found[0].source.path) if deploying is not None and not options.compose else None
    return missed or _in_compose(*found, runtime, database, options)


def _is_composed(server: Server) -> bool:
    return kind_of(server.place.path) == name_of(Compose)


def _missed_by(job: DeployJob, path: str) -> Blocked | None:
    """Why a pooler in the compose file would not be started where it is deployed, if so."""
    commands = [*_run_by(job)]
    if any(each.has("--no-deps") for each in commands):
        return Blocked(
            f"{_named(job)} starts services with --no-deps, and would leave the pooler out",
            "start it there, too; then add it to the compose file",
        )
    far = any(each.name == "ssh" for each in commands) or any("ssh" in step.action for step in job.job.steps)
    context = any(each.name == "docker" and "context" in [w.text for w in each.args[:1]] for each in commands)
    hosts = ("DOCKER_HOST" in step.env for step in job.job.steps)
    gets = any(each.name == "git" and not _GETS.isdisjoint(w.text for w in each.args) for each in commands)
    if (far or context or "DOCKER_HOST" in {**job.workflow.env, **job.job.env} or any(hosts)) and not gets:
        return Blocked(
            f"how {path} and what stands beside it come to the server of {_named(job)} is not in the repository",
            "bring both there, by `git pull` say, or run pgbouncer by hand",
        )
    return None


def _beside_production(job: DeployJob, otherwise: str = "", config: str = "") -> Blocked:
    return Blocked(
        f"{_named(job)} deploys otherwise than by a compose file, and only to compose files a pooler can be added here",
        f"run pgbouncer there beside the application, or RDS Proxy{otherwise}",
        config,
    )


def _for_development(compose: Compose, project: DjangoProject, runtime: Runtime) -> str:
    """What shows that a compose file is for development, if anything: Django's own server, or one that loads changed
    sources; settings for development; DEBUG, where the settings read it."""
    for program in _of_django(compose, runtime):
        surely = (each for each in _developed(program) if not each.conditional)
        if started := next(surely, None):
            return f"starts `{_shown(started)}`"
        told = program.environment.text(SETTINGS_VARIABLE) or ""
        settings = project.modules.get(project.module_path(told)) if told else None
        if settings is not None and settings.role in ("development", "test"):
            return f"runs {told}"
        on = (each for each in _DEBUG if (program.environment.text(each) or "").lower() in _TRUE)
        if name := next((each for each in on if _may_read(project, each)), ""):
            return f"sets {name}"
    return ""


def _may_be_for_development(compose: Compose, runtime: Runtime) -> str:
    """A server for development that a condition of a script decides on, which nobody evaluates here."""
    found = (started for program in _of_django(compose, runtime) for started in _developed(program))
    return next(map(_shown, found), "")


def _of_django(compose: Compose, runtime: Runtime) -> Iterator[Program]:
    for program in runtime.deployed:
        if program.is_django and program.written is not None and program.written[0] is compose:
            yield program


def _developed(program: Program) -> Iterator[Started]:
    return (each for each in program.running(Kind.SERVER) if _DEVELOPMENT_SERVER.search(each.source))


def _shown(started: Started) -> str:
    found = _DEVELOPMENT_SERVER.search(started.source)
    assert found is not None  # it is one for development
    return started.source if "\n" not in started.source else f"{started.argv[0]} {found[0]}"


def _may_read(project: DjangoProject, variable: str) -> bool:
    """Whether the settings read a variable, or make DEBUG of something in which no variable is seen."""
    for settings in project.modules.values():
        module = settings.document
        if any(read.name == variable for read in module_reads(module)):
            return True
        for node in ast.walk(module.tree):
            value = _debug(node)
            if value is not None and not isinstance(value, ast.Constant) and not any(environment_reads(module, value)):
                return True
    return False


def _debug(node: ast.AST) -> ast.expr | None:
    """What a statement assigns to DEBUG, if it does."""
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id == "DEBUG":
        return node.target  # a field, which may well be filled in from outside
    named = isinstance(node, ast.Assign) and any(
        isinstance(each, ast.Name) and each.id == "DEBUG" for each in node.targets
    )
    return node.value if named and isinstance(node, ast.Assign) else None


def _neighbours(runtime: Runtime) -> tuple[Compose, Server] | None:
    """The compose file that starts PostgreSQL beside the application, and its server there."""
    for program in runtime.deployed:
        if program.origin != "compose" or program.written is None or not isinstance(program.written[0], Compose):
            continue
        compose = program.written[0]
        server = next((each for each in program.databases() if each.name in compose.services), None)
        if server is None or not program.is_django:
            continue
        return compose, server
    return None


def _in_compose(
    compose: Compose, server: Server, runtime: Runtime, database: Database, options: Options
) -> Fix | Blocked:
    service = compose.services[server.name]
    account = _account(service)
    if isinstance(account, Blocked):
        return account
    if POOLER in compose.services:
        return Blocked(f"{compose.source.path} has a service {POOLER} already", "let the application use it")
    services = compose.root.get("services")
    assert services is not None  # it has this one
    folder = posixpath.dirname(compose.source.path)
    made = _service(service, account, options)
    if isinstance(made, Blocked):
        return made
    parts: list[Parts] = [compose.add_key(services, POOLER, made, after=server.name)]
    for name, own in compose.services.items():
        program = next((each for each in runtime.programs if each.written and each.written[1] is own.node), None)
        if program is None or name == server.name or _makes_dumps(own, program):
            continue
        if _is_of_the_application(program, runtime):
            parts += [_through_the_pooler(compose, own, program, server.name, database, account), _waits(compose, own)]
    parts.append(_without_cursors(database))
    ini = template(__package__, "pgbouncer.ini")
    ini = ini.replace("HOST", server.name).replace("SIZE", str(options.pool_size))
    return Fix.of(
        "put pgbouncer between the application and PostgreSQL",
        joined(parts),
        NewFile(posixpath.join(folder, POOLER, "pgbouncer.ini"), ini),
        tier=Tier.REVIEW,
        effects=[
            f"{compose.source.path}: {options.pool_size} connections to {server.name} serve all processes",
            "server-side cursors are off: .iterator() reads all rows at once",
        ],
        todo=[f"dumps, restores and tests go to {server.name} itself, not to {POOLER}"],
    )


def _is_of_the_application(program: Program, runtime: Runtime) -> bool:
    """Whether it is Django, or starts from Django's image, as workers do: what else uses the same server may need a
    session for itself, as drivers do that prepare statements."""
    same = (each for each in runtime.programs if program.image is not None and each.image is program.image)
    return program.is_django or any(each.is_django for each in same)


def _makes_dumps(service: Service, program: Program) -> bool:
    """Whether it is there to dump the database, which it does past a pooler."""
    started = " ".join((str(service.data.get("image") or ""), *(each.source for each in program.commands)))
    return _DUMPS.search(f"{service.name} {started}") is not None


def _account(service: Service) -> dict[str, str] | Blocked:
    given = service.environment
    password = given.get("POSTGRES_PASSWORD")
    if password is None:
        return Blocked(
            f"the password of {service.name} is not among its variables in the compose file",
            "give it there as POSTGRES_PASSWORD, from a variable; pgbouncer needs the same",
        )
    user = given.get("POSTGRES_USER") or "postgres"
    return {"user": user, "password": password, "database": given.get("POSTGRES_DB") or user}


# Compose itself expands what stands in a file; a `$` that the container's shell is to see is doubled.
_ASKS = ScriptText.of(
    "PGPASSWORD=$$DB_PASSWORD PGCONNECT_TIMEOUT=5 psql -h 127.0.0.1 -U @user@ -d @database@ -c 'select 1'"
)
_OWN_USER = ScriptText.of('"$$DB_USER"')
_OWN_DATABASE = ScriptText.of('"$$DB_NAME"')


def _said(name: str, variable: ScriptText) -> Quoted | ScriptText | Blocked:
    """A name as a word of the container's shell: by a variable of the container where compose puts something in."""
    return variable if "$" in name else word(name)


def _service(service: Service, account: dict[str, str], options: Options) -> dict[str, Any] | Blocked:
    healthy = "healthcheck" in service.data
    own, database = _said(account["user"], _OWN_USER), _said(account["database"], _OWN_DATABASE)
    if isinstance(own, Blocked) or isinstance(database, Blocked):
        return own if isinstance(own, Blocked) else Blocked(f"{account['database']!r} is no word", "rename it")
    environment = {"AUTH_TYPE": "scram-sha-256", "DB_USER": account["user"], "DB_PASSWORD": account["password"]}
    if database is _OWN_DATABASE:
        environment["DB_NAME"] = account["database"]
    made: dict[str, Any] = {
        "image": options.image,
        "environment": environment,
        "volumes": [f"./{POOLER}/pgbouncer.ini:/etc/pgbouncer/pgbouncer.ini:ro"],
        "depends_on": {service.name: {"condition": "service_healthy"}} if healthy else [service.name],
        "healthcheck": {
            "test": Flow((ScriptText.of("CMD-SHELL"), _ASKS.filled(user=own, database=database))),
            "interval": "10s",
            "timeout": "10s",
            "retries": 5,
        },
    }
    for key in ("networks", "restart", "profiles"):
        if key in service.data:
            given = service.data[key]
            made[key] = (
                [*given] if isinstance(given, dict) else given
            )  # not the address and the names that it has there
    return made


def _through_the_pooler(
    compose: Compose, service: Service, program: Program, host: str, database: Database, account: dict[str, str]
) -> Parts:
    """The variables by which the settings of a program find the database."""
    url, name = database.reads.get("URL"), database.reads.get("HOST")
    environment = service.node.get("environment")
    if url is not None:
        node = environment.get(url.name) if environment is not None and environment.is_mapping else None
        found = re.search(rf"//(?P<user>.*)@({re.escape(host)})(?=[:/])", str(node.value)) if node is not None else None
        if node is None or found is None:
            return Blocked(
                f"{url.name} of {service.name} does not stand in the compose file with {host} as its host",
                f"let it name {POOLER} there",
            )
        signing = re.match(r"(?:[^:${]|\$\{[^}]*\}|\$)*", found["user"])
        own = signing[0] if signing is not None else ""
        if not _is_one(own, account["user"]):
            return _of_another_user(service, own, account)
        return compose.splice_scalar(node, [(found.start(2), found.end(2), POOLER)])
    if name is None:
        return Blocked("the settings read the host of the database from no variable", "let them read DB_HOST")
    value = item(own_dict(database.module, database.node), "HOST")
    if value is not None and isinstance(resolve(database.module, value), ast.IfExp):
        return Blocked("the settings choose the host of the database by a condition", "let them read DB_HOST alone")
    unseen = next(iter(program.environment.unknown), "")
    names = list(dict.fromkeys(each.name for each in environment_reads(database.module, value or database.node)))
    if len(names) > 1 and value is not None:
        set_here = [each for each in names if program.environment.sets(each)]
        if unseen or not set_here:
            return Blocked(
                f"the settings read the host of the database from {listed(names)}, and which of them {service.name} "
                "has is not in the repository",
                f"let {names[0]} be {POOLER} there",
            )
        name = replace(name, name=set_here[0])
    told = program.environment.of(name.name)
    if any(value.open or value.text is None for value in told):
        return Blocked(f"who starts {service.name} may choose {name.name}", f"set it to {POOLER} there")
    if unseen and not told:
        return Blocked(
            f"{service.name} has variables from {unseen}, which may name the database",
            f"let {name.name} be {POOLER} there",
        )
    said = told[0].text if told else name.default
    if said is None:
        unseen = next(iter(program.environment.unknown), "nothing in the repository")
        return Blocked(
            f"where {service.name} finds the database is not in the repository ({unseen})",
            f"set {name.name} to {POOLER} there by hand, once {service.name} reaches {host} by it",
        )
    if said not in (host, service.data.get("container_name")):
        return Blocked(
            f"{service.name} reaches the database as {said or 'its own default'}, not as {host}",
            f"let it name {host}, or {POOLER}, by hand",
        )
    port, password = database.reads.get("PORT"), database.reads.get("PASSWORD")
    said = (program.environment.text(port.name) or port.default) if port is not None else database.values.get("PORT")
    if said not in (None, "", "5432"):
        return Blocked(f"{service.name} reaches the database at port {said}", "let it be 5432, as in the container")
    user = database.reads.get("USER")
    signs_in = database.values.get("USER") if user is None else program.environment.text(user.name)
    if user is not None and signs_in is None and not program.environment.sets(user.name):
        same = account["user"] in (f"${{{user.name}}}", f"${user.name}")
        signs_in = account["user"] if same else None if unseen else user.default
    if signs_in is None or not _is_one(signs_in, account["user"]):
        return _of_another_user(service, signs_in, account)
    wanted = {name.name: POOLER}
    if password is not None and not unseen and not program.environment.sets(password.name):
        wanted[password.name] = account["password"]  # else the settings' own default, which is that of no server here
    return _set(compose, service, wanted)


def _is_one(user: str, other: str) -> bool:
    """Whether two names, or what compose puts there by default, are the same."""
    given, also = (_DEFAULT.fullmatch(each) for each in (user, other))
    return user == other or (given["default"] if given else user) == (also["default"] if also else other)


def _of_another_user(service: Service, user: str | None, account: dict[str, str]) -> Blocked:
    said = f"as {user}" if user else "as a user that is not in the repository"
    return Blocked(
        f"{service.name} signs in {said}, and {POOLER} would know {account['user']} alone",
        "let both be one variable, or give the pooler that user",
    )


def _set(compose: Compose, service: Service, wanted: dict[str, str]) -> Parts:
    environment = service.node.get("environment")
    if environment is None:
        return compose.add_key(service.node, "environment", wanted)
    if environment.is_mapping:
        there = {name: node for name in wanted if (node := environment.get(name)) is not None}
        new = {name: value for name, value in wanted.items() if name not in there}
        parts = [compose.set_scalar(node, wanted[name]) for name, node in there.items()]
        return joined([*parts, compose.add_keys(environment, new)] if new else parts)
    items = {str(node.value).partition("=")[0]: node for node in environment.items}
    lines = [f"{name}={value}" for name, value in wanted.items() if name not in items]
    parts = [compose.set_scalar(items[name], f"{name}={wanted[name]}") for name in wanted if name in items]
    return joined([*parts, compose.insert_item(environment, len(environment.items), *lines)] if lines else parts)


def _waits(compose: Compose, service: Service) -> Parts:
    depends = service.node.get("depends_on")
    if depends is None:
        return compose.add_key(service.node, "depends_on", [POOLER])
    if depends.is_mapping:
        return compose.add_keys(depends, {POOLER: {"condition": "service_healthy"}})
    return compose.insert_item(depends, len(depends.items), POOLER)


def _without_cursors(database: Database) -> Parts:
    """https://docs.djangoproject.com/en/stable/ref/databases/#transaction-pooling-server-side-cursors"""
    module, key = database.module, "DISABLE_SERVER_SIDE_CURSORS"
    node = own_dict(module, database.node)
    if node is not None:
        return module.edit_dict(node, add={key: True})
    if database.shape == "url" and not database.in_class:
        return module.insert_after(
            database.statement, f"DATABASES[{module.quoted('default')}][{module.quoted(key)}] = True"
        )
    return Blocked("DATABASES is put together where fhfix cannot add to it", f"set {key} = True there")


def _has_processes(django: DjangoProject, runtime: Runtime) -> bool:
    return django.has_postgres and any(each.is_django and _serves(each) for each in runtime.deployed)


def _pooled_in_compose(django: DjangoProject, servers: DatabaseServers) -> str:
    """What of it is so where production has no pooler: the containers of the compose file have one."""
    for project, database in _of_production(django):
        if started := servers.pooler_of_compose(project, database):
            return f"{started} starts one"
    return ""


RULE = Rule(
    __name__,
    "No pooler stands between the application and PostgreSQL",
    check,
    audit=("D-005.2",),
    criterion="A pooler, or Django's own pool, bounds the connections to PostgreSQL",
    hours=(2, 3),
    level=Level.NOTE,
    profile=Profile.AUDIT,
    applies=_has_processes,
    partly=_pooled_in_compose,
)
