"""Charts of Helm, rendered as far as their values are literal.

What templates compute otherwise is a hole in what they write, or a line of its own where a list or a mapping belongs.
https://helm.sh/docs/chart_template_guide/
"""

from __future__ import annotations

import json
import posixpath
import re
from collections import ChainMap
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import yaml

from fixer.languages.gotemplate import Action, Branch, Item, Operand, Pipeline, Template, Text
from fixer.languages.tables import mapping
from fixer.languages.yaml import Yaml
from fixer.model import FileError
from fixer.records import entity
from fixer.runtime.datum import hole, holes_of, is_hole

if TYPE_CHECKING:
    from fixer.repository import Repository

_Names = ChainMap[str, Any]
_DEEPEST = 20
"""Templates that take in others; beyond this they go round in a circle."""
_MOST_LINES = 5_000
_KIND = re.compile(r"^kind:\s*(\w+)", re.MULTILINE)
_LISTS = frozenset((
    "args", "command", "containers", "env", "envFrom", "imagePullSecrets", "initContainers", "ports", "tolerations",
    "volumeMounts", "volumes",
))  # fmt: skip
"""Keys of Kubernetes whose value is a list; others that hold something hold a mapping."""


@entity
class Unknown:
    """A value that is not known here, by what is written."""

    name: str


@entity
class Rendered:
    """What a template writes. `lines` are those of the template, for each line of the text; `conditions` are those
    under which it writes more, or less."""

    text: str
    lines: tuple[int, ...]
    conditions: tuple[str, ...]


@entity
class Chart:
    """A folder with templates. `values` are the defaults, with what the chart around it gives; `unread` are sentences
    about what is not rendered, `closed` the templates among that."""

    folder: str
    templates: Mapping[str, Rendered]
    unread: tuple[str, ...]
    closed: tuple[str, ...]

    @classmethod
    def of(cls, folder: str, kinds: Collection[str], repository: Repository) -> Chart:
        """Of its templates those that make one of these kinds."""
        below = f"{folder}/templates/" if folder else "templates/"
        paths = [path for path in repository.below(below.rstrip("/")) if path.endswith((".yaml", ".yml", ".tpl"))]
        top = {"Values": _values(folder, repository), "Chart": _chart(folder, repository)}
        unread: list[str] = []
        closed: list[str] = []
        parsed: dict[str, Template] = {}
        for path in paths:
            try:
                parsed[path] = Template.parse(repository.read(path))
            except (FileError, RecursionError):
                closed.append(path)
        defined = {name: items for template in parsed.values() for name, items in template.defined.items()}
        templates: dict[str, Rendered] = {}
        for path, template in parsed.items():
            makes = _KIND.findall(repository.text(path))
            if path.endswith(".tpl") or not any(kind in kinds for kind in makes) or f"{below}tests/" in path:
                continue
            writer = _Writer(top, defined)
            try:
                writer.write(template.items, ChainMap({"": top, "$": top}))
            except (RecursionError, _TooMuchError):
                closed.append(path)
                continue
            templates[path] = writer.rendered
        unread += (f"{path}: what the chart starts" for path in closed)
        for path in repository.below(folder) if folder else repository.files:
            name = posixpath.basename(path)
            if name.startswith("values") and name.endswith((".yaml", ".yml")) and name != "values.yaml":
                unread.append(f"{path}: what it gives the chart instead")
        return cls(folder, templates, tuple(unread), tuple(closed))


def _values(folder: str, repository: Repository) -> Any:
    """The chart's own values, over which go those that the chart around it has under its name."""
    own = _plain(posixpath.join(folder, "values.yaml"), repository)
    around, charts, name = folder.rpartition("charts/")
    if not charts or "/" in name or isinstance(own, Unknown):
        return own
    outer = _values(around.rstrip("/"), repository)
    given = outer.get(name) if isinstance(outer, dict) else None
    shared = {"global": outer["global"]} if isinstance(outer, dict) and "global" in outer else {}
    return _over(_over(own, given if isinstance(given, dict) else {}), shared)


def _over(below: Any, above: dict[str, Any]) -> dict[str, Any]:
    found = dict(mapping(below))
    for name, value in above.items():
        found[name] = (
            _over(found[name], value) if isinstance(value, dict) and isinstance(found.get(name), dict) else value
        )
    return found


def _plain(path: str, repository: Repository) -> Any:
    try:
        return _merged_in(repository.parsed(path, Yaml).plain()) if repository.exists(path) else {}
    except (FileError, RecursionError):
        return Unknown(path)


def _merged_in(value: Any) -> Any:
    """With what `<<` takes over: https://yaml.org/type/merge.html"""
    if isinstance(value, list):
        return [_merged_in(each) for each in value]
    if not isinstance(value, dict):
        return value
    own = {name: _merged_in(each) for name, each in value.items() if name != "<<"}
    taken = _merged_in(value["<<"]) if "<<" in value else {}
    found: dict[str, Any] = {}
    for each in reversed(taken if isinstance(taken, list) else [taken]):
        found |= mapping(each)
    return found | own


def _chart(folder: str, repository: Repository) -> dict[str, Any]:
    """Chart.yaml, whose keys templates name with a capital letter."""
    found = _plain(posixpath.join(folder, "Chart.yaml"), repository)
    return {f"{name[:1].upper()}{name[1:]}": value for name, value in mapping(found).items()}


class _TooMuchError(Exception):
    """A template writes more than anybody reads."""


class _Writer:
    """What a template writes: `""` among the names is the dot."""

    def __init__(self, top: Mapping[str, Any], defined: Mapping[str, tuple[Item, ...]], depth: int = 0) -> None:
        self._top = top
        self._defined = defined
        self._depth = depth
        self._parts: list[str] = []
        self._lines: list[int] = [1]
        self._conditions: list[str] = []
        self._fresh = True
        """Whether a line begins here."""

    @property
    def rendered(self) -> Rendered:
        return Rendered("".join(self._parts), tuple(self._lines), tuple(dict.fromkeys(self._conditions)))

    def write(self, items: Iterable[Item], names: _Names) -> None:
        for item in items:
            if isinstance(item, Text):
                self._put(item.text, item.line, moves=True)
            elif isinstance(item, Branch):
                self._branch(item, names)
            elif item.sets:
                self._set(item, names)
            else:
                self._action(item, names)

    def _set(self, action: Action, names: _Names) -> None:
        """`:=` is for the block that it stands in, `=` for that of the variable."""
        value = self._value(action.pipeline, names)
        scope = next((each for each in names.maps if action.sets in each), None)
        (names.maps[0] if action.declares or scope is None else scope)[action.sets] = value

    def _put(self, text: str, line: int, *, moves: bool = False) -> None:
        if len(self._lines) > _MOST_LINES:
            raise _TooMuchError
        if text and self._fresh:
            self._lines[-1] = line
        self._fresh = text.endswith("\n") if text else self._fresh
        self._parts.append(text)
        for count in range(1, text.count("\n") + 1):
            self._lines.append(line + count if moves else line)

    # -- what is written --------------------------------------------------------------------------------------------

    def _action(self, action: Action, names: _Names) -> None:
        value = self._value(action.pipeline, names)
        indent = _indent(action.pipeline)
        written = _written(value)
        own_line = indent is not None or (action.alone and not self._depth)
        if own_line and isinstance(value, Unknown):
            name, width = indent or ("", 0)
            written = ("\n" if name == "nindent" else "") + " " * width + written
        if own_line and holes_of(written):
            lines = written.split("\n")
            written = "\n".join(self._line_of_its_own(line) if is_hole(line.strip()) else line for line in lines)
        self._put(written, action.line)

    def _line_of_its_own(self, line: str) -> str:
        """What stands for more of a list, or of a mapping."""
        text = "".join(self._parts)
        width = len(line) - len(line.lstrip()) or len(text) - text.rfind("\n") - 1
        parent = ""
        for above in reversed(text.rstrip().split("\n")):
            if above.strip() and len(above) - len(above.lstrip()) < width:
                parent = above.strip().removeprefix("- ")
                break
        inside = parent.removesuffix(":") in _LISTS
        return f"{line[: len(line) - len(line.lstrip())]}- {line.strip()}" if inside else f"{line}:"

    def _branch(self, branch: Branch, names: _Names) -> None:
        value = self._value(branch.pipeline, names)
        unknown = isinstance(value, Unknown)
        if unknown or not value:
            self._conditions.append(f"{branch.kind} {branch.pipeline.text}")
        if branch.kind == "range":
            if not unknown:
                self._repeat(branch, value, names)
            return
        inner = names.new_child()
        if not (unknown or value):
            self.write(branch.otherwise, inner)
            return
        # What is not known is taken to be so.
        if branch.names:
            inner[branch.names[-1]] = value
        if branch.kind == "with":
            inner[""] = value
        self.write(branch.body, inner)

    def _repeat(self, branch: Branch, value: Any, names: _Names) -> None:
        pairs: list[tuple[Any, Any]] = []
        if isinstance(value, dict):
            pairs = sorted(value.items(), key=lambda pair: str(pair[0]))
        elif isinstance(value, list):
            pairs = list(enumerate(value))
        if not pairs:
            self.write(branch.otherwise, names.new_child())
        for key, each in pairs:
            inner = names.new_child({"": each})
            if branch.names:
                inner[branch.names[-1]] = each
            if len(branch.names) == 2:
                inner[branch.names[0]] = key
            self.write(branch.body, inner)

    # -- values -----------------------------------------------------------------------------------------------------

    def _value(self, pipeline: Pipeline, names: _Names) -> Any:
        value: Any = None
        for at, command in enumerate(pipeline.commands):
            first, *rest = command
            arguments = [self._operand(each, names) for each in rest] + ([value] if at else [])
            if first.kind != "function":
                value = self._operand(first, names)
                continue
            value = self._called(str(first.value), arguments, pipeline)
        return value

    def _operand(self, operand: Operand, names: _Names) -> Any:
        match operand.kind:
            case "constant":
                return operand.value
            case "dot":
                found, said = names.get("", Unknown(".")), ""
            case "variable":
                said = str(operand.value)
                found = names.get(said, Unknown(said))
            case "pipeline" if isinstance(operand.value, Pipeline):
                found, said = self._value(operand.value, names), "(…)"
            case _:
                return self._called(str(operand.value), [], None)
        for step in operand.fields:
            said = f"{said}.{step}"
            if isinstance(found, Unknown):
                return Unknown(said)
            inside = found if isinstance(found, dict) else {}
            found = inside.get(step, Unknown(said) if found is self._top else None)
        return found

    def _called(self, name: str, given: Sequence[Any], pipeline: Pipeline | None) -> Any:
        if name == "include" and len(given) >= 1:
            return self._included(given)
        if name == "default" and len(given) == 2:
            return given[1] if isinstance(given[1], Unknown) or given[1] else given[0]
        unknown = next((each for each in given if isinstance(each, Unknown)), None)
        if unknown is not None:
            return unknown
        try:
            return _FUNCTIONS[name](*given)
        except (KeyError, TypeError, ValueError, IndexError, AttributeError):
            return Unknown(pipeline.text if pipeline is not None else name)

    def _included(self, given: Sequence[Any]) -> Any:
        name = given[0]
        items = self._defined.get(name) if isinstance(name, str) else None
        if items is None or self._depth > _DEEPEST:
            return Unknown(f"include {_written(name)}")
        writer = _Writer(self._top, self._defined, self._depth + 1)
        dot = given[1] if len(given) > 1 else None
        writer.write(items, ChainMap({"": dot, "$": dot}))
        return writer.rendered.text


def _indent(pipeline: Pipeline) -> tuple[str, int] | None:
    """How far the last command of a pipeline moves what it gets, and its name."""
    last = pipeline.commands[-1]
    width = last[1].value if len(last) > 1 else None
    if last[0].kind == "function" and last[0].value in ("indent", "nindent") and isinstance(width, int):
        return str(last[0].value), width
    return None


def _written(value: Any) -> str:
    if isinstance(value, Unknown):
        return hole(value.name)
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value) if isinstance(value, dict | list) else str(value)


def _indented(width: int, text: Any) -> str:
    return "\n".join(f"{' ' * width}{line}" for line in _written(text).split("\n"))


def _as_yaml(value: Any) -> str:
    """In YAML, without what Helm leaves out at its end."""
    return (
        yaml.safe_dump(value, default_flow_style=False, sort_keys=True, width=10_000).removesuffix("...\n").rstrip("\n")
    )


def _printed(form: str, *given: Any) -> str:
    words = [_written(each) for each in given]
    for sign in ("%v", "%d"):
        form = form.replace(sign, "%s")
    return form % tuple(words)


def _quoted(*given: Any) -> str:
    return " ".join(json.dumps(_written(each), ensure_ascii=False) for each in given if each is not None)


def _chosen(yes: Any, no: Any, condition: Any) -> Any:
    return yes if condition else no


def _any(*given: Any) -> Any:
    return next((each for each in given if each), given[-1])


def _all(*given: Any) -> Any:
    return next((each for each in given if not each), given[-1])


def _pairs(*given: Any) -> dict[str, Any]:
    return dict(zip(map(str, given[::2]), given[1::2], strict=True))


def _joined(*lists: list[Any]) -> list[Any]:
    return [each for part in lists for each in part]


def _merged(*dicts: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for each in reversed(dicts):
        found = _over(found, each)
    return found


def _filled(text: Any, _: Any) -> str:
    """A text that is a template of its own; one with actions is not followed."""
    written = _written(text)
    if "{{" in written:
        raise ValueError(written)
    return written


def _kinds(value: Any) -> tuple[str, ...]:
    """What Go calls the kind of a value; numbers of YAML are of several."""
    names: dict[type, tuple[str, ...]] = {
        bool: ("bool",), dict: ("map",), float: ("float64",), int: ("int", "int64", "float64"), list: ("slice",),
        str: ("string",), type(None): ("invalid",),
    }  # fmt: skip
    return names.get(type(value), ())


def _shortened(length: int, text: str) -> str:
    return text[:length]


_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "and": _all,
    "coalesce": _any,
    "concat": _joined,
    "dict": _pairs,
    "empty": lambda value: not value,
    "eq": lambda first, *others: first in others,
    "get": lambda pairs, key: pairs.get(key, ""),
    "hasKey": lambda pairs, key: key in pairs,
    "indent": _indented,
    "index": lambda value, *keys: value[keys[0]] if len(keys) == 1 else value[keys[0]][keys[1]],
    "int": int,
    "join": lambda sign, words: sign.join(_written(each) for each in words),
    "list": lambda *given: list(given),
    "kindIs": lambda kind, value: kind in _kinds(value),
    "lower": lambda text: text.lower(),
    "merge": _merged,
    "ne": lambda first, second: first != second,
    "nindent": lambda width, text: f"\n{_indented(width, text)}",
    "not": lambda value: not value,
    "or": _any,
    "print": lambda *given: "".join(map(_written, given)),
    "printf": _printed,
    "quote": _quoted,
    "replace": lambda old, new, text: text.replace(old, new),
    "required": lambda _, value: value if value not in (None, "") else Unknown("what is required"),
    "squote": lambda *given: " ".join(f"'{_written(each)}'" for each in given if each is not None),
    "ternary": _chosen,
    "toJson": json.dumps,
    "toString": _written,
    "toYaml": _as_yaml,
    "tpl": _filled,
    "trim": lambda text: text.strip(),
    "trimPrefix": lambda start, text: text.removeprefix(start),
    "trimSuffix": lambda end, text: text.removesuffix(end),
    "trunc": _shortened,
    "upper": lambda text: text.upper(),
}
"""Functions of templates whose value is known where their arguments are:
https://helm.sh/docs/chart_template_guide/function_list/"""
