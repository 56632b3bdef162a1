"""Grammars of tree-sitter, without what their packages load to read the queries that they also bring."""

from __future__ import annotations

from functools import cache
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from tree_sitter import Parser


@cache
def parser(name: Literal["bash", "hcl", "toml"]) -> Parser:
    """Imported when it is asked for: most repositories hold few of these languages."""
    from tree_sitter import Language, Parser

    package = f"tree_sitter_{name}"
    of_package = find_spec(package)
    spec = PathFinder.find_spec(f"{package}._binding", of_package.submodule_search_locations if of_package else None)
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(f"{package} has no grammar", name=package)
    binding = module_from_spec(spec)
    spec.loader.exec_module(binding)
    return Parser(Language(binding.language()))
