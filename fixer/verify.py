"""The promise: what an edit says as text and what it says as meaning are the same, and nothing else changed."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from fixer.languages.yaml.node import Tagged
from fixer.model import Address, Change, Document, Edit, FileError, Source
from fixer.splice import ordered

_TAB_BEFORE_COMMENT = re.compile(r" *+\t[ \t]*+(?=#)")


def perform(data: Any, edits: Iterable[Edit]) -> Any:
    """Plain data with the changes of all edits, from the last edit to the first so that indexes stay true. What does
    not change is shared with the data that is given, which stays as it is.

    Raises LookupError or TypeError for a change that the data has no place for.
    """
    for edit in reversed(ordered(edits)):
        for change in edit.changes:
            data = _performed(data, change, change.at)
    return data


def _performed(data: Any, change: Change, at: Address) -> Any:
    if not at:
        if change.op != "set":
            raise LookupError(f"{change.op} needs an address")
        return change.value
    if not isinstance(data, dict | list):
        raise TypeError(f"nothing stands below {data!r}")
    made: Any = data.copy()
    key: Any = at[0]
    if len(at) > 1:
        made[key] = _performed(made[key], change, at[1:])
    elif change.op == "set":
        made[key] = change.value
    elif change.op == "insert":
        if not isinstance(made, list) or not 0 <= key <= len(made):
            raise LookupError(f"nothing can be inserted at {change.at}")
        made.insert(key, change.value)
    elif change.op == "delete":
        del made[key]
    elif change.op == "splice":
        start, end, new = change.value
        if not isinstance(made[key], str):
            raise TypeError(f"{change.at} is no text")
        made[key] = made[key][:start] + new + made[key][end:]
    else:
        made[change.value] = made.pop(key)
    return made


def same(left: Any, right: Any) -> bool:
    """Equality that tells `1` from `True` and `"30"` from `30`, unlike `==`."""
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(value, right[key]) for key, value in left.items())
    if isinstance(left, list | tuple):
        return len(left) == len(right) and all(map(same, left, right))
    return bool(left == right) or (left != left and right != right)


def difference(wanted: Any, got: Any) -> str:
    """What differs, in words; for the report of a fault only, since deepdiff is slow to load and to run."""
    from deepdiff import DeepDiff

    found = DeepDiff(wanted, got, ignore_numeric_type_changes=False, verbose_level=2)
    return str(found.pretty()).strip().replace("\n", "; ") or "the order of keys, or a type"


class BrokenPromiseError(Exception):
    """What a fix makes of a file is not what it says, and how."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(why)
        self.path = path


def kept_promise(before: Document, edits: Iterable[Edit], after: Source) -> Document:
    """The edited file, read again: what its edits say. Raises BrokenPromiseError where it is something else."""
    try:
        found = type(before).parse(after)
    except FileError as error:
        raise BrokenPromiseError(after.path, f"the result cannot be read: {error.reason}") from None
    try:
        wanted = perform(before.plain(), edits)
    except (LookupError, TypeError, AttributeError) as error:
        raise BrokenPromiseError(after.path, f"a change has no place in the file: {error!r}") from None
    got = found.plain()
    if not same(wanted, got):
        raise BrokenPromiseError(after.path, f"text and meaning disagree: {difference(wanted, got)}")
    return found


def rejected(before: Document, edits: Sequence[Edit]) -> str:
    """What a fix would write that GitHub rejects or takes for nothing, and why; empty where there is no such thing.

    Every workflow and action that a fix changes is asked here, so that no rule can put an expression, its own or one
    that it copied, where it has no meaning. What the file says wrongly today is no reason.
    """
    from fixer.github.workflow import Workflow

    if all(_is_plain(change) for edit in edits for change in edit.changes) or not isinstance(before, Workflow):
        return ""
    try:
        after = perform(before.plain(), edits)
    except (LookupError, TypeError, AttributeError):
        return ""  # a broken promise, which is told apart when the fix is made
    return _rejected(before.plain(), after, action=before.composite)


_OF_STEPS = frozenset(("uses", "with", "run", "shell", "name", "working-directory", "timeout-minutes"))
"""Keys of a step that no expression elsewhere reads."""


def _is_plain(change: Change) -> bool:
    """Whether a change can put no expression anywhere, nor take away what one reads; most fixes make no other.

    Then there is nothing to ask, and the whole file need not be looked at for each fix.
    """
    at = change.at
    if "${{" in str(change.value):
        return False
    if change.op == "set" and at[-1:] == ("uses",):
        return True
    step = at.index("steps") + 1 if "steps" in at else len(at)
    inside = step + 1 < len(at) and isinstance(at[step], int) and at[step + 1] in _OF_STEPS
    # A key of the step itself may get the name of one that is read.
    return inside and (change.op != "rename" or step + 2 < len(at))


def rejected_file(new: Document) -> str:
    """The same of a file that a fix adds."""
    from fixer.github.workflow import Workflow

    return _rejected(None, new.plain(), action=new.composite) if isinstance(new, Workflow) else ""


def _rejected(before: Any, after: Any, *, action: bool) -> str:
    from fixer.github.contexts import new_mistake

    found = new_mistake(before, after, action=action)
    return f"it would write {found.expression} where it has no meaning: {found.why}" if found is not None else ""


def second_reading(source: Source) -> str:
    """Why an independent reader does not read the file as fhfix does; empty when both agree.

    ruamel.yaml (YAML 1.2) for YAML, libcst for Python: asked once per changed file, before anything is written.
    """
    if source.path.endswith((".yml", ".yaml")):
        return _ruamel(source)
    if source.path.endswith(".py"):
        return _libcst(source)
    return ""


def _ruamel(source: Source) -> str:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import ReusedAnchorWarning, YAMLError

    from fixer.languages.yaml import Yaml

    # ruamel.yaml takes no tab before a comment, which YAML allows: https://yaml.org/spec/1.2.2/#rule-s-separate-in-line
    text = _TAB_BEFORE_COMMENT.sub(lambda found: " " * len(found[0]), source.text)
    ours = Yaml.parse(Source(source.path, text))
    reader = YAML(typ="safe", pure=True)  # its own scanner and parser, without keeping comments
    reader.Constructor = _with_tags()
    reader.allow_duplicate_keys = False
    try:
        with warnings.catch_warnings():  # an anchor may be given anew; that is nothing to tell the user
            warnings.simplefilter("ignore", ReusedAnchorWarning)
            theirs = reader.load(text)
    except (YAMLError, ValueError) as error:  # a number of ten thousand digits, say
        mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
        where = f" (line {mark.line + 1})" if mark else ""
        return f"ruamel.yaml cannot read it: {problem or str(error).splitlines()[0]}{where}"
    except RecursionError:
        return "it is nested too deeply for ruamel.yaml"
    return "" if _agree(ours.plain(), theirs) else f"ruamel.yaml reads it otherwise: {difference(ours.plain(), theirs)}"


@cache
def _with_tags() -> Any:
    """ruamel.yaml's reader, for which `!Ref` of CloudFormation and `!reset` of compose are values with a tag, too."""
    from ruamel.yaml.constructor import SafeConstructor
    from ruamel.yaml.nodes import MappingNode, SequenceNode

    class WithTags(SafeConstructor):
        pass

    def tagged(constructor: SafeConstructor, suffix: str, node: Any) -> Tagged:
        if isinstance(node, MappingNode):
            return Tagged(f"!{suffix}", constructor.construct_mapping(node, deep=True))
        if isinstance(node, SequenceNode):
            return Tagged(f"!{suffix}", constructor.construct_sequence(node, deep=True))
        return Tagged(f"!{suffix}", constructor.construct_scalar(node))

    WithTags.add_multi_constructor("!", tagged)
    return WithTags


def _agree(ours: Any, theirs: Any) -> bool:
    """Equality across two readers: ruamel's own types count as the ones that they extend."""
    if isinstance(ours, Tagged):
        alike = isinstance(theirs, Tagged) and ours.tag == theirs.tag
        return alike and (not isinstance(ours.value, dict | list) or _agree(ours.value, theirs.value))
    if isinstance(ours, dict):
        if not isinstance(theirs, dict):
            return False
        merged = "<<" in ours
        return all(
            str(key) in ours and _agree(ours[str(key)], value) for key, value in theirs.items() if not merged
        ) and (merged or len(ours) == len(theirs))
    if isinstance(ours, list):
        return isinstance(theirs, list) and len(ours) == len(theirs) and all(map(_agree, ours, theirs))
    if isinstance(ours, bool) or ours is None:
        return ours is theirs or bool(ours == theirs and isinstance(theirs, bool | int))
    if isinstance(ours, str):
        return str(theirs) == ours or not isinstance(theirs, str)
    return bool(ours == theirs) or ours != ours or not isinstance(ours, int | float)


def _libcst(source: Source) -> str:
    import libcst

    try:
        compile(source.text, source.path, "exec", dont_inherit=True, flags=0x400)  # PyCF_ONLY_AST: never run
        # A form feed before a statement is lost by libcst, https://docs.python.org/3/reference/lexical_analysis.html#indentation
        text = source.text.replace("\f", "")
        return "" if libcst.parse_module(text).code == text else "libcst does not give the text back"
    except (SyntaxError, libcst.ParserSyntaxError, ValueError) as error:
        return f"the result is not valid Python: {error}"
