"""What is asked of every database."""

from typing import Literal

from fixer.model import RuleOptions, option

STATEMENT_TIMEOUT_MS = 30000


class Options(RuleOptions):
    server: Literal["", "wsgi", "asgi"] = option("", "what runs the application, where no file tells")
    max_age: int = option(600, "seconds for which a connection is kept under WSGI")
    pool_max_size: int = option(20, "most connections of one process under ASGI, with Django's pool")
    statement_timeout_ms: int = option(30000, "after how many milliseconds PostgreSQL cancels a statement of a request")
