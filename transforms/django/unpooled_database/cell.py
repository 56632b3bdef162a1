"""What versions, driver and application server allow for one project."""

from fixer.django.app_server import AppServer
from fixer.django.databases import DatabaseServers
from fixer.django.forks import Forks
from fixer.django.project import DjangoProject
from fixer.django.pythons import DeployedPython
from fixer.languages.python import PythonModule
from fixer.project.packages import PythonPackages
from fixer.project.python_style import PythonStyles
from fixer.records import record
from transforms.django.unpooled_database.options import STATEMENT_TIMEOUT_MS, Options

CONNECT_TIMEOUT = 10  # seconds
AGE_WITHOUT_HEALTH_CHECKS = 60
POOL_MIN = 5
OF_DJANGO_4 = (3, 8)  # the oldest Python for which there is one
_LONGEST = 3600  # seconds that a request can be meant to take
MOST_CONNECTIONS = 80  # of PostgreSQL's default of 100; some are for people and for jobs


@record
class Cell:
    """What the versions, the driver and the application server allow."""

    project: DjangoProject
    server: AppServer | None
    servers: DatabaseServers
    packages: PythonPackages | None
    styles: PythonStyles
    forks: Forks
    python: DeployedPython | None
    options: Options

    @property
    def interface(self) -> str:
        return str(self.options.server or (self.server.interface if self.server else ""))

    @property
    def isolates_requests(self) -> bool:
        """Under ASGI every request has a thread of its own since Django 4.0; 3.2 has one thread for all.

        Workers of gevent and eventlet give each one a greenlet, which is the same for Django.
        """
        return self.is_green or (self.interface == "asgi" and not self.is_older_than(4, 0))

    @property
    def is_green(self) -> bool:
        return not self.options.server and self.server is not None and self.server.is_green

    def is_older_than(self, *release: int) -> bool:
        return self.project.version is not None and self.project.version.may_be_older_than(*release)

    @property
    def cannot_start(self) -> bool:
        return self.project.driver == "psycopg" and self.is_older_than(4, 2)

    @property
    def has_pool(self) -> bool:
        version = self.project.version
        return (
            self.project.has_pool
            and self.project.driver == "psycopg"
            and version is not None
            and version.at_least(5, 1)
        )

    @property
    def has_health_checks(self) -> bool:
        """Unless an older Django is allowed, or the image has a Python for which there is none that has them."""
        version = self.project.version
        installed = version is not None and version.at_least(4, 1)
        too_old = self.python is not None and self.python.release < OF_DJANGO_4 and not installed
        return not too_old and not self.is_older_than(4, 1)

    def takes_health_checks(self, near: str) -> bool:
        """Whether every dj-database-url that may be installed knows `conn_health_checks`."""
        version = self.packages.version("dj-database-url", near) if self.packages is not None else None
        return version is not None and not version.may_be_older_than(1, 2)

    @property
    def age(self) -> int:
        return int(self.options.max_age) if self.has_health_checks else AGE_WITHOUT_HEALTH_CHECKS

    @property
    def pool(self) -> dict[str, int]:
        """Sizes are per process, so that all workers together stay below what the server allows."""
        processes = max([command.workers or 1 for command in self.server.deciding] if self.server else [1], default=1)
        largest = max(2, min(int(self.options.pool_max_size), MOST_CONNECTIONS // processes))
        return {"min_size": min(POOL_MIN, largest), "max_size": largest, "timeout": CONNECT_TIMEOUT}

    @property
    def reason(self) -> str:
        if self.options.server:
            return f"the configuration says {self.options.server}"
        return self.server.reason if self.server else ""

    @property
    def statement_timeout_ms(self) -> int:
        """The option, or as long as the server lets a request run, where that is longer; 0 for no limit, which is also
        what a server that waits for hours means."""
        given = int(self.options.statement_timeout_ms)
        allowed = self.server.timeout if self.server is not None else None
        if allowed is None or self.says_statement_timeout:
            return given
        return max(given, allowed * 1000) if 0 < allowed <= _LONGEST else 0

    @property
    def times_out_by(self) -> str:
        """What says only at run time how long a request may take, where the option says nothing."""
        return self.server.times_out_by if self.server is not None and not self.says_statement_timeout else ""

    @property
    def says_statement_timeout(self) -> bool:
        """Whether the option is another than by itself."""
        return int(self.options.statement_timeout_ms) != STATEMENT_TIMEOUT_MS

    def width(self, module: PythonModule) -> int:
        return self.styles.of(module.path).width
