"""A program as the file of a platform describes it, and what is started then."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fixer.docker.compose import Mount
from fixer.records import entity
from fixer.runtime.following import Where
from fixer.runtime.images import Image
from fixer.runtime.launching import Launch, Launched, launched, variables_of
from fixer.runtime.places import Place
from fixer.runtime.programs import Environment, Holder, Program, Value
from fixer.runtime.servers import addresses

if TYPE_CHECKING:
    from fixer.repository import Repository


@entity
class Described:
    """What a file says of one program. `image` is built here; `host` is the folder of a machine without container.
    `unknown` are sentences about its variables, `unfollowed` about what it starts, of which nothing is known then."""

    name: str
    place: Place
    origin: str
    holder: Holder
    values: tuple[Value, ...] = ()
    image: Image | None = None
    image_name: str = ""
    entrypoint: Launch | None = None
    command: Launch | None = None
    host: str | None = None
    user: str = ""
    mounts: tuple[Mount, ...] = ()
    unknown: tuple[str, ...] = ()
    unfollowed: tuple[str, ...] = ()
    rights: str = ""
    ports: tuple[int, ...] = ()
    development: bool = False

    def program(self, repository: Repository) -> Program:
        launch = self._launched(repository)
        lowest = variables_of(self.image) if self.image is not None else []
        environment = Environment((*self.values, *lowest), self.holder, self.unknown)
        return Program(
            self.name,
            self.place,
            self.origin,
            tuple(launch.commands),
            environment,
            self.image,
            self.image_name,
            self.image.folder if self.image is not None else "",
            self.user,
            self.mounts,
            tuple(addresses(environment)),
            launch.settings(environment),
            launch.is_django(environment),
            launch.unknown,
            self.development,
            launch.calls,
            self.ports,
            self.rights,
        )

    def _launched(self, repository: Repository) -> Launched:
        if self.host is not None:
            where = Where(repository, self.host)
        else:
            folder = self.image.folder if self.image is not None else "/"
            where = Where(repository, folder, self.image, self.mounts, contained=True)
        if self.unfollowed:
            return Launched([], (), self.unfollowed, where)
        return launched(self.entrypoint, self.command, self.image, where, self.place.name)
