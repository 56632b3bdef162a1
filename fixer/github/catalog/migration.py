"""What a step must change besides the number when its action goes to a newer version.

Each `Migration` stands at the version where the change came. A bump folds all that lie between its two versions over
the step's inputs, so that a chain of majors composes: an input that is renamed twice ends under its last name, and one
that went and came back is left alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

from fixer.github.action_ref import Version, version_of
from fixer.github.catalog.actions import Action, Major
from fixer.github.catalog.changes import Migration
from fixer.github.expressions import is_own_token
from fixer.model import Blocked
from fixer.records import record

_PLACEHOLDER = re.compile(r"\$\{([\w-]+)\}")
# A named tuple takes a tenth of the time that a data class takes to define, which each start of fhfix would pay.
_NONE: Mapping[str, Any] = MappingProxyType({})
_OFF = frozenset(("false", "", "no", "off", "0"))


Texts = Callable[[], Iterable[str]]


@record
class StepUse:
    """A step that uses an action, and what around it decides how it migrates; `step_use.step_use_of` makes it.

    `inputs` and `env` are the step's own, as text; `outer_env` the other variables that are in scope. `possible` are
    the values that inputs with an expression may have, as far as they are known. `files` are texts of the files that
    some actions read (`.github/labeler.yml`). `tools` are what steps before set up, `uses` the actions of the workflow
    in lower case, `commands` the shell commands of the workflow, `later` those that follow in the job, `neighbours` the
    inputs of the job's other steps, `reads` what expressions of the job read: these six, and `downloads_all`, are asked
    for only where a condition is about them, since each looks at the whole job. `go` is the version of Go that the
    repository asks for.
    """

    inputs: Mapping[str, str]
    env: Mapping[str, str]
    outer_env: Mapping[str, str]
    triggers: tuple[str, ...] = ()
    composite: bool = False
    files: Mapping[str, str] = _NONE
    package_manager: bool = False
    possible: Mapping[str, tuple[str, ...]] = _NONE
    tools: Texts = tuple
    uses: Texts = tuple
    commands: Texts = tuple
    later: Texts = tuple
    neighbours: Texts = tuple
    reads: Texts = tuple
    downloads_all: Callable[[], bool] = bool
    go: str = ""
    toolchain: bool = True

    def holds(self, when: Mapping[str, Any], before: Version, inputs: Mapping[str, Any]) -> bool:
        """Whether a condition of the data files holds; all of its parts must.

        `input` is given (`is`, `not`: its value, `matches`: a pattern in it, `may_be`: a pattern of a value that it may
        have); `present`: all of these inputs are; `absent`: none of these is; `env`, `no_env`: the variable is set;
        `env_named`: a pattern of its name; `env_is`, `env_not`: (name, value in upper case); `env_open`: its value is
        an expression; `uses`, `commands`, `later`, `neighbours`, `reads`: a pattern in one of them; `trigger`: one of
        these starts the workflow; `from`: the majors that the step comes from; `unless_from`: not from these versions
        on, within their majors; `file_has`, `file_lacks`: (path, pattern); `composite`, `package_manager`,
        `downloads_all`: flags; `lacks_tool`: no step before sets it up; `go_mod`: the repository asks for a version of
        Go; `below_go_mod`: go-version is below it; `toolchain`: a go.mod with a toolchain line may be read.
        """
        # A list: the check of the catalog hears of every condition, also of one behind another that does not hold.
        checks = [self._holds(key, wanted, when, before, inputs) for key, wanted in when.items()]
        return all(checks)

    def _holds(
        self, key: str, wanted: Any, when: Mapping[str, Any], before: Version, inputs: Mapping[str, Any]
    ) -> bool:
        value = str(inputs.get(when.get("input", ""), ""))
        match key:
            case "input":
                return wanted in inputs
            case "is":
                return value.strip().lower() in wanted
            case "not":
                return value.strip().lower() not in wanted
            case "matches":
                return re.search(wanted, value) is not None
            case "may_be":
                return _occurs(wanted, self.possible.get(when.get("input", ""), ()))
            case "present":
                return all(name in inputs for name in wanted)
            case "absent":
                return not any(name in inputs for name in wanted)
            case "trigger":
                return any(event in self.triggers for event in wanted)
            case "from":
                return before[0] in wanted
            case "unless_from":
                starts = [found for name in wanted if (found := version_of(name))]
                return not any(before[0] == start[0] and before >= start for start in starts)
            case "file_has":
                return re.search(wanted[1], self.files.get(wanted[0], "")) is not None
            case "file_lacks":
                return re.search(wanted[1], self.files.get(wanted[0], "")) is None
            case "composite":
                return self.composite is wanted
            case "package_manager":
                return self.package_manager is wanted
            case "downloads_all":
                return self.downloads_all() is wanted
            case "lacks_tool":
                return wanted not in self.tools()
            case "go_mod":
                return bool(self.go) is wanted
            case "toolchain":
                return self.toolchain is wanted
            case "below_go_mod":
                return _is_below(str(inputs.get("go-version", "")), self.go) is wanted
            case "uses" | "commands" | "later" | "neighbours" | "reads":
                return _occurs(wanted, getattr(self, key)())
        return self._holds_of_variables(key, wanted)

    def _holds_of_variables(self, key: str, wanted: Any) -> bool:
        variables = {**self.outer_env, **self.env}
        match key:
            case "env":
                return wanted in variables
            case "no_env":
                return wanted not in variables
            case "env_named":
                return _occurs(wanted, variables)
            case "env_is" | "env_not":
                name, value = wanted
                given = variables.get(name, "")
                return "${{" not in given and (given.strip().upper() == value) is (key == "env_is")
            case "env_open":
                return "${{" in variables.get(wanted, "")
        raise ValueError(f"no such condition: {key}")


def _occurs(pattern: str, texts: Iterable[str]) -> bool:
    found = re.compile(pattern)
    return any(found.search(text) for text in texts)


def _is_below(given: str, wanted: str) -> bool:
    """Whether a plain version of Go, such as `1.22` or `1.22.x`, is below another one; from 1.21 on, Go minds that."""
    plain = re.fullmatch(r"(\d{1,9})\.(\d{1,9})(?:\.(\d{1,9}))?(?:\.x)?", given.strip())
    least = version_of(wanted)
    if plain is None or least is None or (int(plain[1]), int(plain[2])) < (1, 21):
        return False
    patch = int(plain[3]) if plain[3] else least[2]  # without one it is the newest
    return (int(plain[1]), int(plain[2]), patch) < least[:3]


@record
class _Value:
    """An input on its way through the migrations: where it came from, and what it is now."""

    origin: str
    value: Any
    changed: bool = False


@record
class Migrated:
    """The changes that one step needs; mappings are of `with:` unless their name says otherwise."""

    rename: Mapping[str, str]
    set: Mapping[str, Any]
    delete: tuple[str, ...]
    add: Mapping[str, Any]
    env_delete: tuple[str, ...] = ()
    env_add: Mapping[str, Any] = _NONE
    outputs: Mapping[str, str] = _NONE
    lost_outputs: frozenset[str] = frozenset()
    permissions: Mapping[str, str] = _NONE
    scripts: tuple[str, ...] = ()
    todo: tuple[str, ...] = ()

    @property
    def touches_inputs(self) -> bool:
        return bool(self.rename or self.set or self.delete or self.add)


def migrate(
    use: StepUse, old: Major | None, new: Major, before: Version, migrations: Iterable[Migration], *, what: str
) -> Migrated | Blocked:
    """Folds migrations over a step. `what` names the target for messages: `actions/cache v5`.

    `old` is None where the version that the step uses is not known; then every input counts as valid before.
    Blocked where an input would get lost, a required one would be missing, or a migration says so.
    """
    fold = _Fold(use, old, new, before, what)
    for migration in migrations:
        blocked = fold.over(migration)
        if blocked is not None:
            return blocked
    return fold.migrated()


class _Fold:
    """A step on its way through the migrations. What returns Blocked says by it that the step cannot go on."""

    def __init__(self, use: StepUse, old: Major | None, new: Major, before: Version, what: str) -> None:
        self.use, self.old, self.new, self.before, self.what = use, old, new, before, what
        self.valid = old.inputs_at(before) if old else frozenset(use.inputs)
        self.inputs = {name: _Value(name, value) for name, value in use.inputs.items() if name in self.valid}
        self.env = dict(use.env)
        self.env_delete: list[str] = []
        self.env_add: dict[str, Any] = {}
        self.outputs: dict[str, str] = {}
        self.permissions: dict[str, str] = {}
        self.scripts: list[str] = []
        self.todo: list[str] = []
        self.drop: set[str] = set()
        self.lost: dict[str, str] = {}

    def over(self, migration: Migration) -> Blocked | None:
        seen = self._seen()

        def holds(entry: Mapping[str, Any]) -> bool:
            return self.use.holds(entry.get("when", {}), self.before, seen)

        stop = next(filter(holds, migration.block), None)
        if stop is not None:
            return Blocked(stop["reason"], stop.get("next", ""))
        self.todo += [entry["text"] for entry in filter(holds, migration.todo)]
        for name, mapped in migration.values.items():
            if name in self.inputs and str(self.inputs[name].value) in mapped:
                self.inputs[name] = _Value(self.inputs[name].origin, mapped[str(self.inputs[name].value)], True)
        blocked = (
            self._rename(migration.rename, migration.combine)
            or self._invert(migration.invert)
            or self._combine(migration.combine)
        )
        if blocked is not None:
            return blocked
        self._take_from_env(migration.env_to_input)
        self.env_delete += [name for name in migration.env_drop if name in self.env]
        for name, variable in migration.input_to_env.items():
            if name in self.inputs:
                self.env_add[variable] = self.inputs.pop(name).value
        for entry in migration.env:
            if entry["name"] not in self.env and holds(entry):
                self.env_add.setdefault(entry["name"], entry["value"])
        for entry in migration.set:
            self._set(entry)
        for entry in filter(holds, migration.permissions):
            self.permissions.update(entry["add"])
        self.outputs.update(migration.outputs)
        self.scripts += [migration.script] if migration.script else []
        self.drop |= migration.drop
        self.lost.update(migration.lost)
        return None

    def _seen(self) -> dict[str, Any]:
        """What is given now; what went on the way, as the step gives it."""
        return {**self.use.inputs, **{name: entry.value for name, entry in self.inputs.items()}}

    def _rename(self, renamed: Mapping[str, str], combined: Mapping[str, tuple[str, ...]]) -> Blocked | None:
        for name, new_name in renamed.items():
            if name not in self.inputs:
                continue
            if new_name in self.inputs and _combines(combined, new_name, name):
                continue
            if new_name in self.inputs or (new_name in self.use.inputs and new_name not in self.valid):
                return Blocked(
                    f"{self.what} has {new_name} for {name}, and the step gives both",
                    f"remove one of {name}, {new_name}",
                )
            self.inputs = {new_name if given == name else given: entry for given, entry in self.inputs.items()}
        return None

    def _invert(self, inverted: Mapping[str, str]) -> Blocked | None:
        for name, new_name in inverted.items():
            if name not in self.inputs:
                continue
            turned = self.inputs.pop(name)
            value = str(turned.value).strip().lower()
            if value not in ("true", "false", "1", "0"):
                return Blocked(
                    f"{self.what} has {new_name}, which means the opposite of {name}, and {name} is not a plain true "
                    "or false here",
                    f"write {new_name} by hand",
                )
            if new_name in self.inputs:
                return Blocked(f"the step gives both {name} and {new_name}", f"remove {name}")
            self.inputs[new_name] = _Value(turned.origin, value in ("false", "0"), True)
        return None

    def _combine(self, combined: Mapping[str, tuple[str, ...]]) -> Blocked | None:
        """One input made of several; where it is one of them itself, it keeps its place."""
        for new_name, templates in combined.items():
            parts = {part for template in templates for part in _PLACEHOLDER.findall(template)}
            present = {part for part in parts if part in self.inputs}
            if not present - {new_name}:
                continue
            fitting = next((t for t in templates if set(_PLACEHOLDER.findall(t)) == present), None)
            taken = new_name in self.inputs and new_name not in parts
            several_lines = len(present) > 1 and any("\n" in str(self.inputs[part].value) for part in present)
            if fitting is None or taken or several_lines:
                return Blocked(
                    f"{self.what} has {new_name} for {', '.join(sorted(parts))}, which cannot be made of what is given",
                    f"write {new_name} by hand",
                )
            made = _PLACEHOLDER.sub(lambda found: str(self.inputs[found[1]].value), fitting)
            origin = self.inputs[new_name].origin if new_name in present else ""
            for part in present:
                del self.inputs[part]
            self.inputs[new_name] = _Value(origin, made, bool(origin))
        return None

    def _take_from_env(self, taken: Mapping[str, str]) -> None:
        """Variables become inputs; the job's own token needs none."""
        outer = self.use.outer_env
        for name, new_name in taken.items():
            if name in self.env:
                value = self.env[name]
                if not (is_own_token(value) or new_name in self.inputs or new_name in self.use.inputs):
                    self.inputs[new_name] = _Value("", value)
                    self.env_delete.append(name)
                    del self.env[name]
            elif name in outer and not is_own_token(outer[name]) and new_name not in self.inputs:
                self.inputs[new_name] = _Value("", "${{ env." + name + " }}")

    def _set(self, entry: Mapping[str, Any]) -> None:
        """An input that keeps what the old version did, where it is not given."""
        name, value = entry["input"], entry["value"]
        if name in self.inputs or (name in self.use.inputs and name in self.new.inputs):
            return
        if not self.use.holds(entry.get("when", {}), self.before, self._seen()):
            return
        source = _PLACEHOLDER.fullmatch(value) if isinstance(value, str) else None
        if source is not None:
            if source[1] not in self.inputs:
                return
            value = self.inputs[source[1]].value
        self.inputs[name] = _Value("", value)
        self.todo += [entry["todo"]] if entry.get("todo") else []

    def migrated(self) -> Migrated | Blocked:
        """What the step must change to be one of the new version."""
        use, old, new, wanted = self.use, self.old, self.new, self.new.inputs_at()
        blocked = self._leave_behind(wanted)
        if blocked is not None:
            return blocked
        awakened = [
            name for name in use.inputs if name not in self.valid and name in wanted and name not in self.inputs
        ]
        missing = sorted(new.required - self.inputs.keys() - set(awakened))
        if missing and (old is None or not set(missing) <= old.required):
            return Blocked(f"{self.what} requires the input {', '.join(missing)}", "add it to the step")
        self.todo += [
            f"the input {name}, which the version before did not have, now takes effect: see that it is meant"
            for name in awakened
        ]
        kept = {entry.origin: (name, entry) for name, entry in self.inputs.items() if entry.origin}
        # An input that went before the version that the step uses has done nothing there either.
        dead = old.dropped.keys() - self.valid - wanted if old else frozenset()
        gone = tuple(name for name in use.inputs if (name in self.valid and name not in kept) or name in dead)
        removed_outputs = old.outputs_at(self.before) - new.outputs_at() - set(self.outputs) if old else frozenset()
        return Migrated(
            rename={origin: name for origin, (name, _) in kept.items() if origin != name},
            set={origin: entry.value for origin, (_, entry) in kept.items() if entry.changed},
            delete=gone,
            add={name: entry.value for name, entry in self.inputs.items() if not entry.origin},
            env_delete=tuple(self.env_delete),
            env_add=self.env_add,
            outputs={name: new_name for name, new_name in self.outputs.items() if name not in new.outputs},
            lost_outputs=frozenset(removed_outputs),
            permissions=self.permissions,
            scripts=tuple(self.scripts),
            todo=tuple(dict.fromkeys(self.todo)),
        )

    def _leave_behind(self, wanted: frozenset[str]) -> Blocked | None:
        """Inputs that the new version does not have go, where nothing is lost by that."""
        for name in [name for name in self.inputs if name not in wanted]:
            entry = self.inputs.pop(name)
            is_off = str(entry.value).strip().lower() in _OFF
            if name in self.drop or (name in self.lost and is_off):
                continue
            if name in self.lost:
                return Blocked(f"{self.what} no longer has the input {name}", self.lost[name])
            if entry.origin:
                return Blocked(
                    f"{self.what} no longer has the input {name}, and the catalog does not know what took its place",
                    "change the step by hand",
                )
        return None


def _combines(combined: Mapping[str, tuple[str, ...]], new_name: str, name: str) -> bool:
    """Whether an input is put together with the one that has its new name."""
    return any({new_name, name} <= set(_PLACEHOLDER.findall(template)) for template in combined.get(new_name, ()))


def names_gone(action: Action, target: Major) -> tuple[Migration, ...]:
    """For a step at a branch, whose code is new already: the inputs that have gone on the way, and no other change."""
    wanted = target.inputs_at()
    found = []
    for _, migration in action.migrations:
        renamed = {old: new for old, new in migration.rename.items() if old not in wanted and new in wanted}
        todo = tuple(
            {"when": {"input": old}, "text": f"{old} had no effect any more; as {new} it has: see that it is meant"}
            for old, new in renamed.items()
        )
        found.append(Migration(rename=renamed, drop=migration.drop, lost=migration.lost, todo=todo))
    return tuple(found)


def between(action: Action, before: Version, after: Version) -> tuple[Migration, ...]:
    """The migrations on the way from one version to another, in order."""
    return tuple(found for version, found in action.migrations if before < version <= after)
