"""The nouns of fhfix. Standard library only; imports nothing of the project.

Data flows one way: bytes → `Source` → document → `Finding` → `Edit` → `Source`.
"""

from __future__ import annotations

import sys
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from dataclasses import field, fields, replace
from enum import StrEnum
from functools import cached_property
from types import NoneType, UnionType
from typing import (
    Any,
    Literal,
    Protocol,
    Self,
    TypeVar,
    Union,
    dataclass_transform,
    get_args,
    get_origin,
    get_type_hints,
)

from fixer.records import entity, record

T = TypeVar("T")

Address = tuple[str | int, ...]
"""Where a value stands in a file's plain data: keys and indexes from the root."""

BOM = b"\xef\xbb\xbf"


class FileError(Exception):
    """A file that cannot be handled: says which, why, and what to do. Never a fault of fhfix. `text` is what it holds
    where that can be read, and not written."""

    def __init__(self, path: str, reason: str, advice: str = "", text: str = "") -> None:
        super().__init__(f"{path}: {reason}" + (f"; {advice}" if advice else ""))
        self.path = path
        self.reason = reason
        self.advice = advice
        self.text = text

    def __reduce__(self) -> tuple[type[FileError], tuple[str, str, str, str]]:
        return type(self), (self.path, self.reason, self.advice, self.text)  # it travels between processes


@record
class Span:
    """A half-open range of characters of `Source.text`."""

    start: int
    end: int

    def __post_init__(self) -> None:
        if not 0 <= self.start <= self.end:
            raise ValueError(f"not a span: {self.start}..{self.end}")


@record
class Source:
    """The text of one file, exactly: `Source.from_bytes(p, b).to_bytes() == b`.

    `path` is relative to the repository's root and has forward slashes. Line ends stay as they are; a UTF-8
    byte order mark is kept apart so that offsets count from the first real character. `written` is what fixes of this
    run have put there, sorted and apart from each other: it says nothing of how people work here.
    """

    path: str
    text: str
    bom: bool = False
    written: tuple[Span, ...] = field(default=(), compare=False, repr=False)

    @classmethod
    def from_bytes(cls, path: str, data: bytes) -> Self:
        """Raises FileError for what is not UTF-8."""
        bom = data.startswith(BOM)
        try:
            return cls(path, data[len(BOM) * bom :].decode("utf-8"), bom)
        except UnicodeDecodeError as error:
            raise FileError(path, f"not UTF-8 (byte {error.start})", "convert it to UTF-8, or exclude it") from None

    def to_bytes(self) -> bytes:
        return (BOM if self.bom else b"") + self.text.encode("utf-8")

    def is_written(self, span: Span) -> bool:
        """Whether all that stands in a span was put there by fixes of this run."""
        at = bisect_right(self.written, span.start, key=lambda each: each.start) - 1
        return at >= 0 and span.end <= self.written[at].end

    @cached_property
    def newline(self) -> str:
        """The line end that most lines of this file have."""
        crlf = self.text.count("\r\n")
        return "\r\n" if crlf * 2 > self.text.count("\n") else "\n"

    @cached_property
    def _line_starts(self) -> list[int]:
        starts, at = [0], self.text.find("\n")
        while at >= 0:
            starts.append(at + 1)
            at = self.text.find("\n", at + 1)
        return starts

    def line_of(self, offset: int) -> int:
        """The number, from 1, of the line that holds this offset."""
        return bisect_right(self._line_starts, offset)

    def column_of(self, offset: int) -> int:
        """The number, from 0, of characters before this offset on its line."""
        return offset - self._line_starts[self.line_of(offset) - 1]

    def start_of(self, line: int) -> int:
        """The offset at which a line begins, counted from 1; of the last one where there are fewer."""
        return self._line_starts[min(max(line, 1), len(self._line_starts)) - 1]

    def line_start(self, offset: int) -> int:
        return self._line_starts[self.line_of(offset) - 1]

    def line_end(self, offset: int) -> int:
        """Where the line of this offset ends, before its line end characters."""
        end = self.text.find("\n", offset)
        if end < 0:
            return len(self.text)
        return end - 1 if end > offset and self.text[end - 1] == "\r" else end


@record
class Change:
    """What one edit means, as a change to the file's plain data.

    `set` replaces the value at `at`, or adds the key; `insert` puts `value` into a list before index `at[-1]`;
    `delete` removes the key or item; `rename` gives the key `at[-1]` the name `value`; `splice` puts `value[2]` in the
    place of the characters `value[0]` to `value[1]` of a text, so that several fixes can change one script.
    """

    op: Literal["set", "insert", "delete", "rename", "splice"]
    at: Address
    value: Any = None


@record
class Edit:
    """One replacement of text, said twice: as text, and as changes of the plain data.

    Only builders in `fixer/languages` make these. `changes` is empty for an edit of a comment, and for a further place
    in a text that an edit before it already says.
    """

    path: str
    span: Span
    text: str
    changes: tuple[Change, ...]


@record
class NewFile:
    """A file that a fix adds. It never overwrites one that is there."""

    path: str
    text: str
    executable: bool = False

    @property
    def source(self) -> Source:
        """The file as it will be read, all of it written by a fix."""
        return Source(self.path, str(self.text), written=(Span(0, len(self.text)),))


class Tier(StrEnum):
    """How much a person must look at a fix.

    `safe`: the file keeps its meaning except for the defect. `review`: correct, but it adds a job, a gate that
    may turn red or a call to a cloud, or only a run that fhfix cannot make can try it.
    """

    SAFE = "safe"
    REVIEW = "review"


class Level(StrEnum):
    """How much a finding matters.

    `error`: it breaks or endangers production or the pipeline as it stands. `warning`: it will, when something else
    goes wrong or time passes. `note`: nothing breaks, but time, money or knowledge is lost.
    """

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"

    @property
    def rank(self) -> int:
        """0 for the worst."""
        return list(Level).index(self)


class Profile(StrEnum):
    """What a rule is about. `default`: a defect of what is there. `audit`: a practice that is missing.

    What such a rule finds at a level above note, a load test without a limit say, is a defect all the same.
    """

    DEFAULT = "default"
    AUDIT = "audit"


@record
class Blocked:
    """Why a finding has no fix, and the next step.

    `config` is the exact line for the configuration that supplies the missing fact (empty where no
    configuration could), for instance `rules.hardcoded-sleep.url = "https://…"`.
    """

    reason: str
    next_step: str = "change it by hand"
    config: str = ""


Parts = tuple[Edit, ...] | Blocked
"""What a builder returns: edits, or why it could not make them."""


def listed(items: Iterable[str]) -> str:
    """Names in a sentence, such as `a, b and c`; there must be one at least."""
    *others, last = items
    return f"{', '.join(others)} and {last}" if others else last


def joined(parts: Iterable[Parts]) -> Parts:
    """All edits of several builders, or the first reason why one could not be made."""
    edits: list[Edit] = []
    for part in parts:
        if isinstance(part, Blocked):
            return part
        edits.extend(part)
    return tuple(edits)


@record
class Fix:
    """A cure, all or nothing; its edits may span files.

    `title` is a verb phrase. `effects` say what changes in words, with addresses; where it is empty the preview
    derives words from the changes. `todo` is what a person must still do (secrets, variables, settings).
    """

    title: str
    edits: tuple[Edit, ...] = ()
    new_files: tuple[NewFile, ...] = ()
    tier: Tier = Tier.SAFE
    effects: tuple[str, ...] = ()
    todo: tuple[str, ...] = ()

    @property
    def paths(self) -> tuple[str, ...]:
        """Every file that it changes or adds."""
        return tuple(dict.fromkeys((*(edit.path for edit in self.edits), *(file.path for file in self.new_files))))

    @classmethod
    def of(
        cls,
        title: str,
        *parts: Parts | NewFile,
        tier: Tier = Tier.SAFE,
        effects: Iterable[str] = (),
        todo: Iterable[str] = (),
    ) -> Fix | Blocked:
        """A fix from what builders returned, or the first `Blocked` among it."""
        edits = joined(part for part in parts if not isinstance(part, NewFile))
        if isinstance(edits, Blocked):
            return edits
        files = tuple(part for part in parts if isinstance(part, NewFile))
        return cls(title, edits, files, tier, tuple(effects), tuple(todo))


@record
class Finding:
    """A defect at a place, with its cure or the reason why there is none.

    `level` is that of its rule, unless facts raise or lower it: a test environment, say, or production.
    """

    path: str
    span: Span
    message: str
    cure: Fix | Blocked
    level: Level | None = None


class Document(Protocol):
    """The parsed, read-only view of one source. Three members, and it stays at three.

    `parse` raises FileError: everything wrong with a file is said once, when it is parsed. `plain` is the file's
    meaning as dicts, lists and scalars; it is compared after every edit.
    """

    source: Source

    @classmethod
    def parse(cls, source: Source) -> Self: ...

    def plain(self) -> Any: ...


About = Literal["", "address", "path", "instance", "variable", "migration"]
"""What a value stands for: the address that tells how a service is, the path of such an address, a database instance, a
variable of the environment, a command that migrates."""


@record
class Option:
    """A value that a rule takes from the configuration, `rules.<id>.<name>`. `kind` is its type."""

    name: str
    kind: Any
    default: Any
    help: str
    about: About = ""

    @property
    def choices(self) -> tuple[str, ...]:
        """The texts that it can be, where they are few; the empty text, which says nothing, is not named."""
        return tuple(filter(None, get_args(self.kind))) if get_origin(self.kind) is Literal else ()


def option(default: T, help: str, about: About = "") -> T:  # noqa: A002 - what it is
    """An option in a `RuleOptions`: its value where nothing is configured, what it means, with its unit, and what it is
    about, where files may tell a value that a person only has to confirm."""
    declared: T = field(default_factory=lambda: default, metadata={"help": help, "about": about})
    return declared


@dataclass_transform(frozen_default=True)
class RuleOptions:
    """The options of one rule, each with its type, default and meaning; a `check` asks for them by type, as for facts.

    ```
    class Options(RuleOptions):
        max_time: int = option(10, "seconds that one request may take")
        style: Literal["curl", "loop"] = option("curl", "curl's own retries, or a loop of the shell")
    ```

    `max_time` is `rules.<id>.max-time` in the configuration. A type is bool, int, float, str, a Literal of texts, a
    Sequence or Mapping of these, or a union.
    """

    def __init_subclass__(cls) -> None:
        record(cls)

    @classmethod
    def declared(cls) -> tuple[Option, ...]:
        if cls is RuleOptions:
            return ()
        kinds = get_type_hints(cls)
        default = cls()
        return tuple(
            Option(_configured_as(each.name), kinds[each.name], getattr(default, each.name), **each.metadata)
            for each in fields(cls)  # type: ignore[arg-type]
        )

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """The options with these values, by their names in the configuration; the others have their defaults."""
        if not given:
            return cls()
        names = {_configured_as(name): name for name in get_type_hints(cls)}
        return cls(**{names[name]: value for name, value in given.items()})


def _configured_as(name: str) -> str:
    return name.rstrip("_").replace("_", "-")


@record
class Asked:
    """One parameter of a `check`, whose type stands in `module` by the name `called`. An optional one is None where the
    repository has no such fact."""

    name: str
    module: str
    called: str
    optional: bool
    is_fact: bool
    is_options: bool
    find: Callable[[], Any]
    """How its type is had, which may import it."""

    @classmethod
    def of(cls, name: str, kind: Any, optional: bool) -> Self:
        options = isinstance(kind, type) and issubclass(kind, RuleOptions)
        module, called = getattr(kind, "__module__", ""), getattr(kind, "__qualname__", "")
        return cls(name, module, called, optional, callable(getattr(kind, "detect", None)), options, lambda: kind)

    @cached_property
    def kind(self) -> Any:
        return self.find()

    def is_(self, kind: type[Any]) -> bool:
        return (self.module, self.called) == (kind.__module__, kind.__qualname__)


@entity
class Rule:
    """A rule is a value that says all about itself. `Rule(__name__, …)` stands last in its module.

    `summary` names the defect, `criterion` what is so when the rule finds nothing: that the defect is not there, not
    what is there instead. `audit` are references to the audit that it comes from, `hours` the least and most that this
    audit estimates for doing it by hand.

    `check`'s first parameter says what it looks at: a document type (asked once per file of that kind), or a
    fact (asked once per repository). Further parameters are facts, or the rule's own `RuleOptions`, asked for by type;
    where the repository has no such fact the rule is not asked.

    `applies` says whether there is anything to judge, a deployment say, where a file of that kind is not enough: its
    parameters are asked for in the same way, and one file for which it is true is enough. A criterion that had nothing
    to judge is not met, but not applicable.

    `partly`, asked in the same way where something is found, says what of the criterion is so all the same: the
    containers' metrics are exported, say, and those of the application are not. Empty where nothing is.

    `security`: what it finds is a way in, or lets secrets out; how bad that is says its level.
    """

    module: str
    summary: str
    check: Callable[..., Iterable[Finding]]
    audit: tuple[str, ...] = ()
    criterion: str = ""
    hours: tuple[float, float] | None = None
    level: Level = Level.WARNING
    profile: Profile = Profile.DEFAULT
    applies: Callable[..., bool] | None = None
    partly: Callable[..., str] | None = None
    security: bool = False

    @cached_property
    def asks(self) -> tuple[Asked, ...]:
        """The parameters of `check`."""
        return _asks(self.check)

    @cached_property
    def asks_whether(self) -> tuple[Asked, ...]:
        """The parameters of `applies`; none where having the subject is enough."""
        return _asks(self.applies) if self.applies is not None else ()

    @cached_property
    def asks_what_holds(self) -> tuple[Asked, ...]:
        """The parameters of `partly`."""
        return _asks(self.partly) if self.partly is not None else ()

    @cached_property
    def subject(self) -> Asked:
        """What it looks at."""
        return self.asks[0]

    @cached_property
    def needs(self) -> tuple[Any, ...]:
        """The facts without which it is not asked."""
        return tuple(asked.kind for asked in self.asks if asked.is_fact and not asked.optional)

    def asks_for(self, kind: type[Any]) -> bool:
        """Whether its `check` has a parameter of this type."""
        return any(asked.is_(kind) for asked in self.asks)

    @cached_property
    def options_type(self) -> type[RuleOptions]:
        return next((asked.kind for asked in self.asks if asked.is_options), RuleOptions)

    @cached_property
    def options(self) -> tuple[Option, ...]:
        return self.options_type.declared()

    @cached_property
    def id(self) -> str:
        return self.module.rpartition(".")[2].replace("_", "-")

    @cached_property
    def pack(self) -> str:
        """The folder of the rule: `ci` for `transforms.ci.silent_type_check`."""
        return self.module.rpartition(".")[0].rpartition(".")[2]

    @property
    def pack_title(self) -> str:
        """What the pack is about: the docstring of its folder."""
        folder = sys.modules.get(self.module.rpartition(".")[0])
        return (folder.__doc__ or "").strip().rstrip(".") if folder else self.pack.capitalize()

    @property
    def explanation(self) -> str:
        """The module's docstring: one sentence, then why, when it is left alone, and what is safe."""
        import inspect

        module = sys.modules.get(self.module)
        return inspect.cleandoc(module.__doc__ or "") if module else ""


def _asks(function: Callable[..., Any]) -> tuple[Asked, ...]:
    """What `get_type_hints` says takes several times as long, and every rule is asked for it."""
    said = {name: said for name, said in function.__annotations__.items() if name != "return"}
    kinds = (eval(kind, function.__globals__) if isinstance(kind, str) else kind for kind in said.values())
    return tuple(Asked.of(name, *_unwrapped(kind)) for name, kind in zip(said, kinds, strict=True))


def _unwrapped(kind: Any) -> tuple[Any, bool]:
    """`X | None` as X, and whether it was one."""
    if get_origin(kind) in (Union, UnionType):
        inner = [part for part in get_args(kind) if part is not NoneType]
        if len(inner) == 1:
            return inner[0], True
    return kind, False


ID_LENGTH = 8
"""Characters of an id: among 10,000 fixes the chance of two alike is one in a hundred."""


def short_id(*words: str) -> str:
    import hashlib  # late: it loads OpenSSL, and a check shows no ids

    data = "\0".join(words).encode("utf-8", "surrogatepass")
    return hashlib.sha256(data).hexdigest()[:ID_LENGTH]


@record
class Reported:
    """A finding, stamped with the rule that made it: a rule cannot lie about its name.

    `apart` tells it from others of the same words: its number among them.
    """

    rule: Rule
    finding: Finding
    apart: str = "1"

    @property
    def words(self) -> tuple[str, ...]:
        """What a person can tell it by. Never lines, so that edits elsewhere leave its id as it is, and not its cure:
        that changes with what is configured."""
        return self.rule.id, self.finding.path, self.finding.message

    @property
    def id(self) -> str:
        return short_id(*self.words, self.apart)

    @property
    def level(self) -> Level:
        return self.finding.level or self.rule.level

    def with_cure(self, cure: Fix | Blocked) -> Reported:
        return replace(self, finding=replace(self.finding, cure=cure))


@record
class Fault:
    """A rule that misbehaved; its work was dropped and the file kept."""

    rule_id: str
    path: str
    what: str


@record
class Piece:
    """A run of a changed file's text. `origin` is None for original text, else the index of the fix in
    `Plan.taken` that wrote it. `removed` is what that fix took away just before this text."""

    text: str
    origin: int | None = None
    removed: str = ""


@record
class FileChange:
    """A file before and after all fixes. `before` is None for a new file."""

    path: str
    before: Source | None
    after: Source
    pieces: tuple[Piece, ...]
    executable: bool = False


@record
class Coverage:
    """What was looked at and what was not, so that finding nothing is never said of what nobody looked at.

    `read` counts the files whose text was read, by what people call their kind (`workflow`); `others` those of no such
    kind, which are read for what they say of the repository, as package.json is. `left_out` counts files of known kinds
    that do not count, by why. `unknown_actions` are names of which the catalog knows nothing, `idle` patterns of the
    command line that leave nothing out.
    """

    read: Mapping[str, int]
    others: int = 0
    unreadable: int = 0
    left_out: Mapping[str, int] = field(default_factory=dict)
    unknown_actions: tuple[str, ...] = ()
    idle: tuple[str, ...] = ()


@record
class Report:
    """What `check` found. `problems` are files that could not be handled; `coverage` is None where nobody asked."""

    findings: tuple[Reported, ...]
    faults: tuple[Fault, ...] = ()
    problems: tuple[FileError, ...] = ()
    coverage: Coverage | None = None


@record
class Plan:
    """Everything that an apply would do; preview, writer and pull request consume this one value.

    Each finding of a check has one answer: its fix is `taken`, in the order in which they are made; or it stays, in
    `left` (blocked, refused, or outside the tier); or it goes `along` with a fix of another, by the index of that one
    in `taken`. All have their places in the files as they are on disk. What fixes make possible beyond that belongs to
    them. `needs` are, by the index of a fix in `taken`, the others in whose text it makes edits.
    """

    files: Mapping[str, FileChange]
    taken: tuple[Reported, ...]
    left: tuple[Reported, ...] = ()
    faults: tuple[Fault, ...] = ()
    problems: tuple[FileError, ...] = ()
    needs: Mapping[int, frozenset[int]] = field(default_factory=dict)
    along: Mapping[int, tuple[Reported, ...]] = field(default_factory=dict)

    @property
    def answered(self) -> tuple[Reported, ...]:
        """The findings that are gone afterwards."""
        return (*self.taken, *(reported for gone in self.along.values() for reported in gone))
