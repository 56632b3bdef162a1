"""The actions that fhfix knows: their releases, inputs and outputs, and what changed between them.

Data, one file per repository, read when a workflow names it: `actions/<owner>/<repo>.json` is made by
`fhfix catalog update` from tags and action.yml files, `migrations/<owner>/<repo>.json` is written by hand from the
actions' own documentation. Advisories are from the GitHub Advisory Database (CC-BY 4.0).
"""

from fixer.github.catalog.actions import Action, Advisory, Catalog, Input, Major, Replacement
from fixer.github.catalog.changes import Migration
from fixer.github.catalog.migration import Migrated, StepUse, between, migrate, names_gone

__all__ = [
    "Action",
    "Advisory",
    "Catalog",
    "Input",
    "Major",
    "Migrated",
    "Migration",
    "Replacement",
    "StepUse",
    "between",
    "migrate",
    "names_gone",
]
