"""Containers of the task definitions that Terraform makes, as far as their definitions are literal.

Locals, variables of which the repository says the value, and templates of files are followed; what else stands there is
said as unknown, by its name. https://registry.terraform.io/providers/hashicorp/aws/latest/docs/resources/ecs_task_definition
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Self

from fixer.languages.hcl import Block, Call, Expression, For, Hcl, Literal, Object, Reference, Template, Tuple
from fixer.languages.yaml import Yaml
from fixer.model import FileError, Source
from fixer.records import entity
from fixer.runtime.datum import Datum, hole
from fixer.runtime.ecs import task
from fixer.runtime.images import Images
from fixer.runtime.programs import Program
from fixer.runtime.texts import Fixed, Written

if TYPE_CHECKING:
    from fixer.repository import Repository

_DEEPEST = 20
"""References that lead to references; beyond this they go round in a circle."""
_ALIKE = frozenset((
    "jsonencode", "nonsensitive", "sensitive", "tolist", "tomap", "tonumber", "toset", "tostring", "trimspace",
))  # fmt: skip
"""Functions whose value says the same as their argument."""
_DECODERS = frozenset(("jsondecode", "yamldecode"))


@entity
class Tasks:
    """The programs of task definitions. `unknown` are those of which nothing can be followed."""

    programs: tuple[Program, ...]
    unknown: tuple[str, ...]

    @classmethod
    def of(cls, paths: Iterable[str], repository: Repository, images: Images | None) -> Self:
        programs: list[Program] = []
        unknown: list[str] = []
        folders: dict[str, Module] = {}
        for path in paths:
            folder = posixpath.dirname(path)
            module = folders.setdefault(folder, Module(repository, folder))
            try:
                document = repository.parsed(path, Hcl)
            except FileError:
                unknown.append(f"{path} cannot be read")
                continue
            for block in document.blocks:
                definitions = _definitions(block, module)
                if definitions is None:
                    continue
                name = block.labels[-1] if block.labels else path
                once = block.kind == "resource" and not module.keeps(name)
                programs += task(_listed(definitions), name, images, repository, once=once)
                unknown += (
                    f"{definitions.text.path}:{each.line}: the containers of {name}, which {each.holes[0]} defines"
                    for each in (definitions, *definitions.items)
                    if each.is_unknown
                )
        return cls(tuple(programs), tuple(dict.fromkeys(unknown)))


def _definitions(block: Block, module: Module) -> Datum | None:
    """The containers that a block defines: `aws_ecs_task_definition`, or a module that takes the same."""
    expression = block.expressions.get("container_definitions")
    made = block.kind == "resource" and block.labels[:1] == ("aws_ecs_task_definition",)
    if expression is None or not (made or block.kind == "module"):
        return None
    found = module.value(expression, block.document)
    if isinstance(found.value, str) and not found.is_unknown:
        found = _decoded(found)
    return found if isinstance(found.value, tuple | dict) or found.is_unknown else Datum.unknown("a text", found.text)


def _listed(definitions: Datum) -> Iterator[Datum]:
    """The definitions: a list, a single one, or, as modules have it, a mapping by their names."""
    if isinstance(definitions.value, dict) and definitions.get("image") is None:
        for name, each in definitions.value.items():
            if isinstance(each.value, dict):
                yield replace(each, value={"name": Datum(name, each.text), **each.value})
    for each in (definitions, *definitions.items):
        if isinstance(each.value, dict) and each.get("image") is not None:
            yield each


def _decoded(datum: Datum) -> Datum:
    """What a text of JSON or YAML says. Each value keeps its line."""
    above = "\n" * (datum.line - 1)
    source = Source(datum.text.path, above + str(datum.value))
    try:
        document = Yaml.parse(source)
    except FileError:
        return Datum.unknown("a text that is no JSON", datum.text)
    return Datum.of_node(document, document.root, whole=False)


class Module:
    """A folder of Terraform files: what its names stand for."""

    def __init__(self, repository: Repository, folder: str, calls: tuple[str, ...] = ()) -> None:
        """`calls` are the folders that it calls as modules, on the way to the one that is asked."""
        self._repository = repository
        self._folder = folder
        self._calls = (*calls, folder)
        self._depth = 0

    def keeps(self, task: str) -> bool:
        """Whether a service may keep a task running, as far as the folder says which its services run."""
        services = [each for each in self._of_kind("resource") if each.labels[:1] == ("aws_ecs_service",)]
        told = [each.expressions.get("task_definition") for each in services]
        paths = [each.path if isinstance(each, Reference) else () for each in told]
        known = all(path[:1] == ("aws_ecs_task_definition",) for path in paths)
        return not services or not known or any(path[1:2] == (task,) for path in paths)

    # -- values -----------------------------------------------------------------------------------------------------

    def value(self, expression: Expression, document: Hcl, bound: Mapping[str, Datum] | None = None) -> Datum:
        """What an expression says; `bound` are the names that a `for` or a template gives values."""
        text = Fixed(document.source.path, document.source.line_of(expression.span.start))
        match expression:
            case Literal(value=None):
                return Datum(None, text)
            case Literal(value=bool() as truth):
                return Datum("true" if truth else "false", text)
            case Literal(value=said):
                return Datum(str(said), text)
            case Template():
                return self._template(expression, document, bound, text)
            case Tuple():
                return Datum(tuple(self.value(each, document, bound) for each in expression.items), text)
            case Object():
                return self._object(expression, document, bound, text)
            case Reference():
                return self._reference(expression.path, bound or {}, text)
            case Call():
                return self._call(expression, document, bound, text)
            case For():
                return self._for(expression, document, bound or {}, text)
        written = document.source.text[expression.span.start : expression.span.end]
        return Datum.unknown(" ".join(written.split())[:60], text)

    def _template(self, expression: Template, document: Hcl, bound: Mapping[str, Datum] | None, text: Fixed) -> Datum:
        parts = [self.value(each, document, bound) for each in expression.parts]
        if len(parts) == 1:
            return parts[0]
        said = [each.value if isinstance(each.value, str) else hole("a value that is no text") for each in parts]
        return Datum("".join(said), text, any(each.open for each in parts))

    def _object(self, expression: Object, document: Hcl, bound: Mapping[str, Datum] | None, text: Fixed) -> Datum:
        found: dict[str, Datum] = {}
        for key, value in expression.pairs:
            name = self.value(key, document, bound).value
            found[name if isinstance(name, str) else hole("a key")] = self.value(value, document, bound)
        return Datum(found, text)

    def _for(self, expression: For, document: Hcl, bound: Mapping[str, Datum], text: Fixed) -> Datum:
        """A list made from another one, or from a mapping."""
        over = self.value(expression.over, document, bound)
        if over.is_unknown:
            return over
        pairs: list[tuple[Datum, Datum]] = [(Datum(str(at), text), each) for at, each in enumerate(over.items)]
        if isinstance(over.value, dict):
            pairs = [(Datum(name, each.text), each) for name, each in over.value.items()]
        found: list[Datum] = []
        for key, each in pairs:
            if each.is_unknown and key.is_unknown:
                found.append(each)  # more of them, of which nothing is known
                continue
            inner = {**bound, expression.key: key, expression.value: each}
            found.append(self.value(expression.result, document, inner))
        return Datum(tuple(found), text)

    def _call(self, call: Call, document: Hcl, bound: Mapping[str, Datum] | None, text: Fixed) -> Datum:
        given = [self.value(each, document, bound) for each in call.arguments]
        unknown = Datum.unknown(f"{call.name}()", text)
        if call.name in _ALIKE and len(given) == 1:
            return given[0]
        if call.name in _DECODERS and len(given) == 1:
            return given[0] if given[0].is_unknown else _decoded(given[0])
        if call.name == "concat":
            return Datum(tuple(each for part in given for each in ((part,) if part.is_unknown else part.items)), text)
        if call.name == "flatten" and len(given) == 1:
            return Datum(tuple(_flat(given[0])), text)
        if call.name == "merge":
            return _merged(given, text)
        if call.name == "join" and len(given) == 2:
            words = [given[0].value, *(each.value for each in given[1].items)]
            plain = [word for word in words if isinstance(word, str)]
            return Datum(plain[0].join(plain[1:]), text) if len(plain) == len(words) and given[1].items else unknown
        if call.name == "replace" and len(given) == 3:
            return _replaced(given[0], given[1], given[2], unknown)
        if call.name in ("file", "templatefile") and given:
            return self._file(given, text, fills=call.name == "templatefile")
        return unknown

    def _file(self, given: list[Datum], text: Written, *, fills: bool) -> Datum:
        """The text of a file, which a template fills in."""
        name = self._located(given[0].said or "")
        if not name:
            return Datum.unknown(f"the file {given[0].shell}", text)
        at = Fixed(name, 1)
        if not fills:
            return Datum(self._repository.text(name), at)
        names = given[1].value if len(given) > 1 else None
        return self._filled(Source(name, self._repository.text(name)), names if isinstance(names, dict) else {}, at)

    def _located(self, said: str) -> str:
        """The file that a path of this folder means; empty where there is none."""
        path = posixpath.normpath(posixpath.join(self._folder, said)) if said and "\n" not in said else ""
        return path if path and self._repository.exists(path) else ""

    def _filled(self, source: Source, names: Mapping[str, Datum], at: Fixed) -> Datum:
        try:
            framed = Hcl.template(source)
        except FileError:
            return Datum.unknown(f"the template {source.path}", at)
        return replace(self.value(framed.expressions["template"], framed, names), text=at)

    # -- names ------------------------------------------------------------------------------------------------------

    def _reference(self, path: tuple[str, ...], bound: Mapping[str, Datum], text: Fixed) -> Datum:
        first, *rest = path
        unknown = Datum.unknown(".".join(path), text)
        self._depth += 1
        try:
            if self._depth > _DEEPEST:
                return unknown
            if first in bound:
                return _within(bound[first], rest, unknown)
            if path == ("path", "module"):
                return Datum(".", text)
            if first == "local" and rest and rest[0] in self._locals:
                expression, document = self._locals[rest[0]]
                return _within(self.value(expression, document), rest[1:], unknown)
            if first == "var" and rest:
                return _within(self._variable(rest[0], unknown), rest[1:], unknown)
            if path[-1] == "rendered" and "template_file" in path[:2]:
                return self._rendered(path[-2], unknown)
            if first == "aws_ecr_repository" and path[2:] == ("repository_url",):
                return self._repository_url(path[1], unknown)
            return unknown
        finally:
            self._depth -= 1

    def _variable(self, name: str, unknown: Datum) -> Datum:
        """What a file of values, or the only one that calls the module, says; else the default, which may be
        overridden."""
        if name in self._given:
            expression, document = self._given[name]
            return self.value(expression, document)
        if len(self._callers) == 1:
            caller, block = self._callers[0]
            if name in block.expressions:
                return caller.value(block.expressions[name], block.document)
        declared = next((each for each in self._of_kind("variable") if each.labels == (name,)), None)
        default = declared.expressions.get("default") if declared is not None else None
        if declared is None or default is None or len(self._callers) > 1:
            return unknown
        found = self.value(default, declared.document)
        if self._callers:
            return found
        match found.value:
            case None:
                return unknown
            case str():
                return replace(found, open=True)
            case tuple() as items:
                return replace(found, value=(*items, unknown))
            case dict() as pairs:
                return replace(found, value={**pairs, str(unknown.value): unknown})

    def _rendered(self, name: str, unknown: Datum) -> Datum:
        """https://registry.terraform.io/providers/hashicorp/template/latest/docs/data-sources/file"""
        for block in (*self._of_kind("data"), *self._of_kind("resource")):
            expression = block.expressions.get("template") if block.labels == ("template_file", name) else None
            if expression is None:
                continue
            template = self.value(expression, block.document)
            if template.said is not None and self._located(template.said):  # a name, as it once could be
                template = self._file([template], template.text, fills=False)
            if template.said is None:
                return template
            names: dict[str, Datum] = {}
            said = block.expressions.get("vars")
            given = self.value(said, block.document).value if said is not None else None
            names |= given if isinstance(given, dict) else {}
            for inner in block.blocks("vars"):
                names |= {key: self.value(each, block.document) for key, each in inner.expressions.items()}
            at = Fixed(template.text.path, template.line)
            return self._filled(Source(template.text.path, template.said), names, at)
        return unknown

    def _repository_url(self, label: str, unknown: Datum) -> Datum:
        for block in self._of_kind("resource"):
            name = block.expressions.get("name") if block.labels == ("aws_ecr_repository", label) else None
            if name is not None:
                said = self.value(name, block.document)
                whole = f"{unknown.value}/{said.value}" if isinstance(said.value, str) else unknown.value
                return replace(unknown, value=whole)
        return unknown

    # -- files ------------------------------------------------------------------------------------------------------

    @cached_property
    def _documents(self) -> tuple[Hcl, ...]:
        return tuple(_read(path, self._repository) for path in self._paths(".tf"))

    def _paths(self, suffix: str) -> Iterator[str]:
        for path in self._repository.ending(suffix):
            if posixpath.dirname(path) == self._folder:
                yield path

    def _of_kind(self, kind: str) -> Iterator[Block]:
        return (block for document in self._documents for block in document.blocks if block.kind == kind)

    @cached_property
    def _locals(self) -> dict[str, tuple[Expression, Hcl]]:
        return {
            name: (expression, block.document)
            for block in self._of_kind("locals")
            for name, expression in block.expressions.items()
        }

    @cached_property
    def _given(self) -> dict[str, tuple[Expression, Hcl]]:
        """What the files say that Terraform reads by itself:
        https://developer.hashicorp.com/terraform/language/values/variables#variable-definitions-tfvars-files"""
        found: dict[str, tuple[Expression, Hcl]] = {}
        for path in sorted(self._paths(".tfvars"), key=lambda each: each.endswith(".auto.tfvars")):
            if posixpath.basename(path) == "terraform.tfvars" or path.endswith(".auto.tfvars"):
                document = _read(path, self._repository)
                found |= {name: (expression, document) for name, expression in document.expressions.items()}
        return found

    @cached_property
    def _callers(self) -> tuple[tuple[Module, Block], ...]:
        """The blocks of the repository that call this folder as a module."""
        found: list[tuple[Module, Block]] = []
        for path in self._repository.ending(".tf"):
            folder = posixpath.dirname(path)
            if folder in self._calls or "module" not in self._repository.text(path):
                continue
            for block in _read(path, self._repository).blocks:
                source = block.expressions.get("source") if block.kind == "module" else None
                said = source.value if isinstance(source, Literal) else None
                called = posixpath.join(folder, said) if isinstance(said, str) and said.startswith(".") else ""
                if called and posixpath.normpath(called) == (self._folder or "."):
                    found.append((Module(self._repository, folder, self._calls), block))
        return tuple(found)


def _read(path: str, repository: Repository) -> Hcl:
    """A file; one that cannot be read says nothing."""
    try:
        return repository.parsed(path, Hcl)
    except FileError:
        return Hcl.parse(Source(path, ""))


def _within(datum: Datum, steps: Iterable[str], unknown: Datum) -> Datum:
    """What stands under these steps."""
    for step in steps:
        if isinstance(datum.value, dict) and step in datum.value:
            datum = datum.value[step]
        elif step.isdigit() and int(step) < len(datum.items):
            datum = datum.items[int(step)]
        else:
            return unknown
    return datum


def _replaced(whole: Datum, old: Datum, new: Datum, unknown: Datum) -> Datum:
    """A text with another one in the place of a part; one between slashes is a pattern, which is not followed."""
    pattern = (old.said or "/").startswith("/")
    if not isinstance(whole.value, str) or pattern or new.said is None:
        return unknown
    return replace(whole, value=whole.value.replace(str(old.said), new.said))


def _flat(datum: Datum) -> Iterator[Datum]:
    for each in datum.items:
        if each.items:
            yield from _flat(each)
        else:
            yield each


def _merged(given: list[Datum], text: Fixed) -> Datum:
    found: dict[str, Datum] = {}
    for each in given:
        if isinstance(each.value, dict):
            found |= each.value
        elif each.is_unknown:
            found[str(each.value)] = each
    return Datum(found, text)
