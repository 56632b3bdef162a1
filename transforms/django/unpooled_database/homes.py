"""Which settings modules are written into, where those of development or tests take a database over as well."""

from fixer.django.project import DjangoProject
from fixer.django.settings import Database, SettingsModule
from transforms.django.unpooled_database.meant import is_for_production


def homes_of(project: DjangoProject, settings: SettingsModule, database: Database) -> tuple[SettingsModule, ...] | None:
    """The modules of production to write into, where those of development or tests take the alias over as well.

    Empty where it is written where it is defined; None where production has another definition.
    """
    importers = project.importers(database.path)
    if settings.role != "shared" or database.in_class or not importers:
        return ()
    inherit = [each for each in importers if not _defines_anew(project, each, database)]
    spared = [each for each in inherit if each.role in ("development", "test")]
    others = [each for each in inherit if each not in spared and not project.is_left_over(each.path)]
    is_named = project.is_served(settings.path) or settings.path == project.settings_path
    if not others and not is_named and len(inherit) < len(importers):
        return None
    if database.guards or not spared or is_named:
        return ()
    if any(_takes_the_place(other, database) for other in settings.databases):
        return None  # lines behind both would change the other, too
    # What development takes over as well is no better a place than the definition.
    alone = [each for each in others if not any(taker in spared for taker in project.importers(each.path))]
    if not alone:
        return None
    meant = [each for each in alone if each.role == "production"]
    meant = meant or [each for each in alone if project.is_served(each.path)] or alone
    return tuple(each for each in meant if not any(each in project.importers(other.path) for other in meant))


def _defines_anew(project: DjangoProject, importer: SettingsModule, database: Database) -> bool:
    """Whether a module that takes a database over, or one between the two, defines its alias anew in any case."""
    if database.guards:
        chain = project.chain(importer.path)
        conditional = frozenset[str]().union(*(each.conditional for each in chain))
        above = {each.path for each in project.chain(database.path)}
        return any(
            not other.guards and other.alias == database.alias
            for each in chain
            if each.path not in above and each.path not in conditional
            for other in each.databases
        )
    return database not in project.databases_of(importer.path)


def _takes_the_place(other: Database, database: Database) -> bool:
    """Whether production defines the same alias anew, under a condition."""
    return other is not database and other.alias == database.alias and bool(other.guards) and is_for_production(other)
