"""What a step must change besides the number when its action goes to a newer version.

Each `Migration` stands at the version where the change came. A bump folds all that lie between its two versions over
the step's inputs, so that a chain of majors composes: an input that is renamed twice ends under its last name, and one
that went and came back is left alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, Self

from fixer.catalog.actions import Action, Major
from fixer.languages.action_ref import Version, version_of
from fixer.model import Blocked

_PLACEHOLDER = re.compile(r"\$\{([\w-]+)\}")
# A named tuple takes a tenth of the time that a data class takes to define, which each start of fhfix would pay.
_NONE: Mapping[str, Any] = MappingProxyType({})
_OFF = frozenset(("false", "", "no", "off", "0"))
_OWN_TOKEN = re.compile(r"\$\{\{\s*(secrets\.GITHUB_TOKEN|github\.token)\s*\}\}\Z", re.IGNORECASE)


class Migration(NamedTuple):
    """What changed at one version, as data. Conditions (`when`) are those of `StepUse.holds`.

    `rename`, `invert` (booleans that turned round) and `combine` (new input: templates of old ones) carry values on.
    `drop` are inputs whose absence changes nothing, `lost` those without a counterpart and what to do instead; both
    count only where the target does not have the input. `set` adds an input, where it is not given, to keep what the
    old version did. `block` and `todo` are (condition, text …).
    """

    rename: Mapping[str, str] = _NONE
    invert: Mapping[str, str] = _NONE
    combine: Mapping[str, tuple[str, ...]] = _NONE
    values: Mapping[str, Mapping[str, str]] = _NONE
    drop: frozenset[str] = frozenset()
    lost: Mapping[str, str] = _NONE
    set: tuple[Mapping[str, Any], ...] = ()
    env_to_input: Mapping[str, str] = _NONE
    input_to_env: Mapping[str, str] = _NONE
    env: tuple[Mapping[str, Any], ...] = ()
    env_drop: tuple[str, ...] = ()
    outputs: Mapping[str, str] = _NONE
    permissions: tuple[Mapping[str, Any], ...] = ()
    script: str = ""
    block: tuple[Mapping[str, Any], ...] = ()
    todo: tuple[Mapping[str, Any], ...] = ()
    source: tuple[str, ...] = ()

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Self:
        """From the form of the data files."""
        return cls(
            data.get("rename", {}),
            data.get("invert", {}),
            {name: tuple(templates) for name, templates in data.get("combine", {}).items()},
            data.get("values", {}),
            frozenset(data.get("drop", ())),
            data.get("lost", {}),
            tuple(data.get("set", ())),
            data.get("env_to_input", {}),
            data.get("input_to_env", {}),
            tuple(data.get("env", ())),
            tuple(data.get("env_drop", ())),
            data.get("outputs", {}),
            tuple(data.get("permissions", ())),
            data.get("script", ""),
            tuple(data.get("block", ())),
            tuple(data.get("todo", ())),
            tuple(data.get("source", ())),
        )


class StepUse(NamedTuple):
    """A step that uses an action, and what around it decides how it migrates.

    `inputs` and `env` are the step's own, as text; `outer_env` the variables of its job and workflow. `files` are
    texts of the files that some actions read (`.github/labeler.yml`), `job_actions` the names of all actions of the
    job in lower case; `go` is the version of Go that the repository asks for.
    """

    inputs: Mapping[str, str]
    env: Mapping[str, str]
    outer_env: Mapping[str, str]
    text: str
    triggers: tuple[str, ...] = ()
    composite: bool = False
    files: Mapping[str, str] = _NONE
    package_manager: bool = False
    job_actions: frozenset[str] = frozenset()
    job_text: str = ""
    downloads_all: bool = False
    go: str = ""
    toolchain: bool = True

    def holds(self, when: Mapping[str, Any], before: Version, inputs: Mapping[str, Any]) -> bool:
        """Whether a condition of the data files holds; all of its parts must.

        `input` is given (`is`, `not`: its value, `matches`: a pattern in it); `absent`: none of these inputs is;
        `env`: the variable is set; `text`, `job_text`: a pattern occurs; `trigger`: one of these starts the workflow;
        `from`: the majors that the step comes from; `unless_from`: not from these versions on, within their majors;
        `file_lacks`: (path, pattern); `composite`, `package_manager`, `downloads_all`: flags; `job_lacks`: no such
        action in the job; `go_mod`: the repository asks for a version of Go; `below_go_mod`: go-version is below it;
        `toolchain`: a go.mod with a toolchain line may be read.
        """
        checks: list[bool] = []
        for key, wanted in when.items():
            value = str(inputs.get(when.get("input", ""), ""))
            if key == "input":
                checks.append(wanted in inputs)
            elif key == "is":
                checks.append(value.strip().lower() in wanted)
            elif key == "not":
                checks.append(value.strip().lower() not in wanted)
            elif key == "matches":
                checks.append(re.search(wanted, value) is not None)
            elif key == "absent":
                checks.append(not any(name in inputs for name in wanted))
            elif key == "env":
                checks.append(wanted in self.env or wanted in self.outer_env)
            elif key == "no_env":
                checks.append(wanted not in self.env and wanted not in self.outer_env)
            elif key == "text":
                checks.append(re.search(wanted, self.text) is not None)
            elif key == "job_text":
                checks.append(re.search(wanted, self.job_text) is not None)
            elif key == "trigger":
                checks.append(any(event in self.triggers for event in wanted))
            elif key == "from":
                checks.append(before[0] in wanted)
            elif key == "unless_from":
                starts = [found for name in wanted if (found := version_of(name))]
                checks.append(not any(before[0] == start[0] and before >= start for start in starts))
            elif key == "file_lacks":
                checks.append(re.search(wanted[1], self.files.get(wanted[0], "")) is None)
            elif key == "file_has":
                checks.append(re.search(wanted[1], self.files.get(wanted[0], "")) is not None)
            elif key == "composite":
                checks.append(self.composite is wanted)
            elif key == "package_manager":
                checks.append(self.package_manager is wanted)
            elif key == "downloads_all":
                checks.append(self.downloads_all is wanted)
            elif key == "go_mod":
                checks.append(bool(self.go) is wanted)
            elif key == "toolchain":
                checks.append(self.toolchain is wanted)
            elif key == "below_go_mod":
                checks.append(_is_below(str(inputs.get("go-version", "")), self.go) is wanted)
            elif key == "job_lacks":
                checks.append(not any(name.startswith(wanted) for name in self.job_actions))
            else:
                raise ValueError(f"no such condition: {key}")
        return all(checks)


def _is_below(given: str, wanted: str) -> bool:
    """Whether a plain version of Go, such as `1.22` or `1.22.x`, is below another one; from 1.21 on, Go minds that."""
    plain = re.fullmatch(r"(\d+)\.(\d+)(?:\.(\d+))?(?:\.x)?", given.strip())
    least = version_of(wanted)
    if plain is None or least is None or (int(plain[1]), int(plain[2])) < (1, 21):
        return False
    patch = int(plain[3]) if plain[3] else least[2]  # without one it is the newest
    return (int(plain[1]), int(plain[2]), patch) < least[:3]


class _Value(NamedTuple):
    """An input on its way through the migrations: where it came from, and what it is now."""

    origin: str
    value: Any
    changed: bool = False


class Migrated(NamedTuple):
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
    valid = old.inputs_at(before) if old else frozenset(use.inputs)
    state = {name: _Value(name, value) for name, value in use.inputs.items() if name in valid}
    env = dict(use.env)
    env_delete: list[str] = []
    env_add: dict[str, Any] = {}
    outputs: dict[str, str] = {}
    permissions: dict[str, str] = {}
    scripts: list[str] = []
    todo: list[str] = []
    drop: set[str] = set()
    lost: dict[str, str] = {}
    given_before = dict(use.inputs)

    for migration in migrations:
        given = {name: entry.value for name, entry in state.items()}
        seen = {**given_before, **given}
        for entry in migration.block:
            if use.holds(entry.get("when", {}), before, seen):
                return Blocked(entry["reason"], entry.get("next", ""))
        for entry in migration.todo:
            if use.holds(entry.get("when", {}), before, seen):
                todo.append(entry["text"])
        for name, mapped in migration.values.items():
            if name in state and str(state[name].value) in mapped:
                state[name] = _Value(state[name].origin, mapped[str(state[name].value)], True)
        for name, new_name in migration.rename.items():
            if name not in state:
                continue
            if new_name in state or (new_name in use.inputs and new_name not in valid):
                return Blocked(
                    f"{what} has {new_name} for {name}, and the step gives both", f"remove one of {name}, {new_name}"
                )
            state[new_name] = state.pop(name)
        for name, new_name in migration.invert.items():
            if name not in state:
                continue
            turned = state.pop(name)
            value = str(turned.value).strip().lower()
            if value not in ("true", "false", "1", "0"):
                return Blocked(
                    f"{what} has {new_name}, which means the opposite of {name}, and {name} is not a plain true or "
                    "false here",
                    f"write {new_name} by hand",
                )
            if new_name in state:
                return Blocked(f"the step gives both {name} and {new_name}", f"remove {name}")
            state[new_name] = _Value(turned.origin, value in ("false", "0"), True)
        for new_name, templates in migration.combine.items():
            parts = {part for template in templates for part in _PLACEHOLDER.findall(template)}
            present = {part for part in parts if part in state}
            if not present:
                continue
            fitting = next((t for t in templates if set(_PLACEHOLDER.findall(t)) == present), None)
            if fitting is None or new_name in state:
                return Blocked(
                    f"{what} has {new_name} for {', '.join(sorted(parts))}, which cannot be made of what is given",
                    f"write {new_name} by hand",
                )
            made = _PLACEHOLDER.sub(lambda m: str(state[m[1]].value), fitting)
            for part in present:
                del state[part]
            state[new_name] = _Value("", made)
        for name, new_name in migration.env_to_input.items():
            if name in env:
                value = env[name]
                if _OWN_TOKEN.match(value.strip()) or new_name in state or new_name in use.inputs:
                    continue
                state[new_name] = _Value("", value)
                env_delete.append(name)
                del env[name]
            elif name in use.outer_env and not _OWN_TOKEN.match(use.outer_env[name].strip()) and new_name not in state:
                state[new_name] = _Value("", "${{ env." + name + " }}")
        env_delete += [name for name in migration.env_drop if name in env]
        for name, variable in migration.input_to_env.items():
            if name in state:
                env_add[variable] = state.pop(name).value
        for entry in migration.env:
            if entry["name"] not in env and use.holds(entry.get("when", {}), before, seen):
                env_add.setdefault(entry["name"], entry["value"])
        for entry in migration.set:
            name = entry["input"]
            if name in state or (name in use.inputs and name in new.inputs):
                continue
            now = {**given_before, **{key: value.value for key, value in state.items()}}
            if not use.holds(entry.get("when", {}), before, now):
                continue
            value = entry["value"]
            if isinstance(value, str) and _PLACEHOLDER.fullmatch(value):
                source = _PLACEHOLDER.fullmatch(value)
                assert source is not None
                if source[1] not in state:
                    continue
                value = state[source[1]].value
            state[name] = _Value("", value)
            if entry.get("todo"):
                todo.append(entry["todo"])
        for entry in migration.permissions:
            if use.holds(entry.get("when", {}), before, seen):
                permissions.update(entry["add"])
        for name, new_name in migration.outputs.items():
            outputs[name] = new_name
        if migration.script:
            scripts.append(migration.script)
        drop |= migration.drop
        lost.update(migration.lost)

    wanted = new.inputs_at()
    for name in [name for name in state if name not in wanted]:
        entry_value = str(state[name].value).strip().lower()
        if name in drop or (name in lost and entry_value in _OFF):
            del state[name]
        elif name in lost:
            return Blocked(f"{what} no longer has the input {name}", lost[name])
        elif state[name].origin:
            return Blocked(
                f"{what} no longer has the input {name}, and the catalog does not know what took its place",
                "change the step by hand",
            )
        else:
            del state[name]
    awakened = [name for name in use.inputs if name not in valid and name in wanted and name not in state]
    given_names = set(state) | set(awakened)
    missing = sorted(new.required - given_names)
    if missing and (old is None or not set(missing) <= old.required):
        return Blocked(f"{what} requires the input {', '.join(missing)}", "add it to the step")
    for name in awakened:
        todo.append(f"the input {name}, which the version before did not have, now takes effect: see that it is meant")

    kept = {entry.origin: (name, entry) for name, entry in state.items() if entry.origin}
    # An input that went before the version that the step uses has done nothing there either.
    dead = old.dropped.keys() - valid - wanted if old else frozenset()
    gone = tuple(name for name in use.inputs if (name in valid and name not in kept) or name in dead)
    removed_outputs = old.outputs_at(before) - new.outputs_at() - set(outputs) if old else frozenset()
    return Migrated(
        rename={origin: name for origin, (name, _) in kept.items() if origin != name},
        set={origin: entry.value for origin, (_, entry) in kept.items() if entry.changed},
        delete=gone,
        add={name: entry.value for name, entry in state.items() if not entry.origin},
        env_delete=tuple(env_delete),
        env_add=env_add,
        outputs={name: new_name for name, new_name in outputs.items() if name not in new.outputs},
        lost_outputs=frozenset(removed_outputs),
        permissions=permissions,
        scripts=tuple(scripts),
        todo=tuple(dict.fromkeys(todo)),
    )


def between(action: Action, before: Version, after: Version) -> tuple[Migration, ...]:
    """The migrations on the way from one version to another, in order."""
    return tuple(found for version, found in action.migrations if before < version <= after)
