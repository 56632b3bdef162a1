"""The catalog: references, look-ups, the data itself, migrations that compose, and how the data is made."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from fixer.commands.catalog import catalog as command
from fixer.github.action_ref import ActionRef, RefKind, Version, version_of
from fixer.github.catalog import Catalog, Major, Migrated, Migration, StepUse, between, consistency, migrate
from fixer.github.catalog.actions import Input
from fixer.github.catalog.update import Clone, CloneError, fold, metadata_of, refresh, rendered
from fixer.github.matrix import combinations_of
from fixer.model import Blocked
from fixer.repository import Repository
from tests.proofs.loopback import served

CATALOG = Catalog.load()
NOTHING = StepUse({}, {}, {})


def major(number: int, *inputs: str, required: tuple[str, ...] = (), outputs: tuple[str, ...] = ()) -> Major:
    return Major(
        number,
        f"v{number}.0.0",
        (((number, 0, 0, 1), "node24"),),
        {name: Input(name, name in required) for name in (*inputs, *required)},
        dict.fromkeys(outputs, (0, 0, 0, 0)),
        {},
    )


def step(**inputs: str) -> StepUse:
    return StepUse({name.replace("_", "-"): value for name, value in inputs.items()}, {}, {})


# -- references ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("actions/checkout@v4", RefKind.MAJOR),
        ("actions/checkout@4", RefKind.MAJOR),
        ("actions/cache/restore@v4.2", RefKind.EXACT),
        ("actions/checkout@v4.2.2", RefKind.EXACT),
        ("psf/black@26.5.1", RefKind.EXACT),
        ("actions/checkout@v2-beta", RefKind.EXACT),
        ("actions/checkout@11bd71901bbe5b1630ceea73d27597364c9af683", RefKind.SHA),
        ("aquasecurity/trivy-action@master", RefKind.BRANCH),
        ("pypa/gh-action-pypi-publish@release/v1", RefKind.BRANCH),
        ("org/repo/.github/workflows/build.yml@main", RefKind.BRANCH),
        ("docker://alpine:3.20", RefKind.DOCKER),
        ("./.github/actions/setup", RefKind.LOCAL),
        ("$/actions/setup", RefKind.LOCAL),
        ("actions/checkout@${{ inputs.ref }}", RefKind.EXPRESSION),
        ("actions/checkout", RefKind.UNKNOWN),
    ],
)
def test_a_reference_says_of_what_kind_it_is(text: str, kind: RefKind) -> None:
    assert ActionRef.parse(text).kind is kind


def test_a_reference_falls_into_its_parts() -> None:
    ref = ActionRef.parse("github/codeql-action/upload-sarif@v3")

    assert (ref.owner, ref.repo, ref.path, ref.ref) == ("github", "codeql-action", "upload-sarif", "v3")
    assert ref.name == "github/codeql-action/upload-sarif"
    assert ref.at("v4") == "github/codeql-action/upload-sarif@v4"


@given(st.text())
def test_every_text_is_parsed_and_renders_as_itself(text: str) -> None:
    assert str(ActionRef.parse(text)) == text


@given(st.tuples(*[st.integers(0, 999)] * 3), st.tuples(*[st.integers(0, 999)] * 3))
def test_versions_compare_by_number(one: tuple[int, int, int], other: tuple[int, int, int]) -> None:
    first, second = (version_of("v" + ".".join(map(str, parts))) for parts in (one, other))

    assert first is not None
    assert second is not None
    assert (first < second) == (one < other)


def test_a_pre_release_comes_before_its_release() -> None:
    beta, release = version_of("v4.0.0-beta.1"), version_of("v4.0.0")

    assert beta is not None
    assert release is not None
    assert beta < release


# -- look-ups -----------------------------------------------------------------------------------------------------


def test_the_data_holds_together() -> None:
    assert list(consistency.problems(CATALOG)) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"todo": "look"}, "todo is no list of mappings, each with text"),
        ({"todo": ["look"]}, "todo is no list of mappings, each with text"),
        ({"todo": [{"when": {}}]}, "an entry of todo has no text"),
        ({"block": [{"reason": "it went", "unless": {}}]}, "an entry of block may not have unless"),
        ({"rename": ["a"]}, "rename is no mapping"),
        ({"drop": "depth"}, "drop is no list of texts"),
        ({"renames": {}}, "renames is nothing that a change may say"),
    ],
)
def test_what_is_no_change_is_named(monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], said: str) -> None:
    action = CATALOG.action("actions/checkout")
    assert action is not None
    misshapen = replace(action, curated={"changes": {"v2": {**change, "source": ["README"]}}})
    monkeypatch.setattr(Catalog, "names", lambda catalog: iter([action.name]))
    monkeypatch.setattr(Catalog, "action", lambda catalog, name: misshapen)

    assert list(consistency.problems(CATALOG)) == [f"actions/checkout v2: {said}"]
    assert list(consistency.unspoken(CATALOG)) == []


def test_every_repository_has_the_catalog(tmp_path: Path) -> None:
    assert Repository(tmp_path).fact(Catalog) == CATALOG


def test_an_action_is_found_in_any_case() -> None:
    found = CATALOG.action("AZURE/Login")

    assert found is not None
    assert found.name == "Azure/login"


@pytest.mark.parametrize("name", ["nobody/knows-this", "actions/cache/nothing", "actions", "../../x", "a/../b"])
def test_what_is_not_known_is_none(name: str) -> None:
    assert CATALOG.action(name) is None


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("tj-actions/changed-files@v47", (47, 0, 0, 1)),  # the tag lags behind v47.0.6
        ("actions/checkout@11bd71901bbe5b1630ceea73d27597364c9af683", (4, 2, 2, 1)),
        ("actions/deploy-pages@cd2ce8fcbc39b97be8ca5fce6e763baed58fa128", (5, 0, 0, 1)),  # also v3.0.2-node.24
        ("pypa/gh-action-pypi-publish@release/v1", (1, 8, 14, 1)),
        ("actions/checkout@3df4ab11eba7bda6032a0b82a6bb43b11571feac", (4, 0, 0, 1)),  # before the tag was moved
        ("actions/checkout@0000000000000000000000000000000000000000", None),
        ("actions/checkout@some-branch", None),
    ],
)
def test_a_reference_resolves_to_the_version_that_it_stands_for(text: str, version: Version | None) -> None:
    ref = ActionRef.parse(text)
    action = CATALOG.of(ref)

    assert action is not None
    assert action.resolve(ref) == version


def test_a_tag_and_its_commit_lead_to_each_other() -> None:
    action = CATALOG.action("actions/setup-python")
    assert action is not None

    assert action.version_of_sha(action.sha_of("v5.6.0")) == ((5, 6, 0, 1), "v5.6.0")


def test_a_tag_that_was_moved_on_without_a_release_stands_for_the_newest() -> None:
    action = CATALOG.action("amannn/action-semantic-pull-request")
    assert action is not None
    sha = action.tags["v5"]

    assert [tag for tag, commit in action.tags.items() if commit == sha] == ["v5"]
    assert action.version_of_sha(sha) == (action.majors[5].version, "v5")
    assert action.resolve(ActionRef.parse(f"{action.name}@v5")) == action.majors[5].version


def test_not_every_major_has_a_moving_tag() -> None:
    action = CATALOG.action("astral-sh/setup-uv")
    assert action is not None

    assert action.moving(7) == "v7"
    assert action.moving(8) == ""
    assert action.with_precision("v7", 8) == action.majors[8].release


def test_inputs_are_those_of_the_version() -> None:
    action = CATALOG.action("aquasecurity/trivy-action")
    assert action is not None
    known = action.majors[0]

    assert "security-checks" in known.inputs_at((0, 9, 1, 1))
    assert "scanners" not in known.inputs_at((0, 9, 1, 1))
    assert "scanners" in known.inputs_at((0, 9, 2, 1))
    assert known.runtime((0, 0, 5, 1)) == "docker:image"
    assert known.runtime((0, 30, 0, 1)) == "composite"


@pytest.mark.parametrize(
    ("name", "supported"),
    [
        ("actions/checkout", 5),
        ("actions/setup-python", 6),
        ("actions/upload-artifact", 6),  # v5 is on Node 20 still
        ("actions/download-artifact", 7),
        ("github/codeql-action/upload-sarif", 4),
        ("pnpm/action-setup", 4),
        ("pre-commit/action", None),
    ],
)
def test_supported_is_the_lowest_major_on_a_runtime_that_runners_have(name: str, supported: int | None) -> None:
    action = CATALOG.action(name)
    assert action is not None
    target = CATALOG.target(action, policy="supported", at_least=4)

    assert (target.number if target else None) == supported


def test_no_target_has_a_known_vulnerability_or_is_switched_off() -> None:
    for name in CATALOG.names():
        action = CATALOG.action(name)
        assert action is not None
        for policy in ("supported", "latest"):
            target = CATALOG.target(action, policy=policy)
            if target is not None:
                assert not action.advisories_of(target.version), name
                assert not action.is_shut_off(target.version), name
                assert CATALOG.is_supported(target.runtime()), name


def test_the_day_of_the_catalog_decides_about_runtimes() -> None:
    assert not CATALOG.is_supported("node20")
    assert replace(CATALOG, as_of="2026-09-15").is_supported("node20")
    assert CATALOG.is_supported("composite")


# -- migrations ---------------------------------------------------------------------------------------------------


def test_names_that_change_twice_end_under_their_last_name() -> None:
    chain = [Migration(rename={"a": "b"}), Migration(rename={"b": "c"})]

    found = migrate(step(a="1"), major(1, "a"), major(3, "c"), (1, 0, 0, 1), chain, what="x v3")

    assert isinstance(found, Migrated)
    assert (found.rename, found.delete, found.add) == ({"a": "c"}, (), {})


def test_an_input_that_went_and_came_back_is_left_alone() -> None:
    chain = [Migration(lost={"a": "do without"}), Migration()]

    found = migrate(step(a="1"), major(1, "a"), major(3, "a"), (1, 0, 0, 1), chain, what="x v3")

    assert isinstance(found, Migrated)
    assert not found.touches_inputs


def test_an_input_without_a_counterpart_blocks_and_says_what_to_do() -> None:
    found = migrate(step(a="1"), major(1, "a"), major(2), (1, 0, 0, 1), [Migration(lost={"a": "write b"})], what="x v2")

    assert found == Blocked("x v2 no longer has the input a", "write b")


def test_a_lost_input_that_was_off_anyway_just_goes() -> None:
    found = migrate(
        step(a="false"), major(1, "a"), major(2), (1, 0, 0, 1), [Migration(lost={"a": "write b"})], what="x v2"
    )

    assert isinstance(found, Migrated)
    assert found.delete == ("a",)


def test_an_input_of_which_nothing_is_known_blocks() -> None:
    found = migrate(step(a="1"), major(1, "a"), major(2), (1, 0, 0, 1), [], what="x v2")

    assert isinstance(found, Blocked)


def test_an_input_that_no_version_has_stays_as_it_is() -> None:
    found = migrate(step(typo="1"), major(1, "a"), major(2, "a"), (1, 0, 0, 1), [], what="x v2")

    assert isinstance(found, Migrated)
    assert not found.touches_inputs


def test_an_input_that_had_gone_before_and_does_nothing_goes() -> None:
    old = replace(major(1, "a"), dropped={"yml": (1, 0, 0, 1)})

    found = migrate(step(yml="x"), old, major(2, "a"), (1, 5, 0, 1), [], what="x v2")

    assert isinstance(found, Migrated)
    assert found.delete == ("yml",)


def test_an_input_that_comes_to_life_is_pointed_out() -> None:
    found = migrate(step(cache="pip"), major(1, "a"), major(2, "a", "cache"), (1, 0, 0, 1), [], what="x v2")

    assert isinstance(found, Migrated)
    assert len(found.todo) == 1


def test_a_new_required_input_blocks_unless_a_migration_gives_it() -> None:
    new = major(2, required=("kind",))

    blocked = migrate(NOTHING, major(1), new, (1, 0, 0, 1), [], what="x v2")
    given_now = migrate(
        NOTHING, major(1), new, (1, 0, 0, 1), [Migration(set=({"input": "kind", "value": "y"},))], what="x v2"
    )

    assert blocked == Blocked("x v2 requires the input kind", "add it to the step")
    assert isinstance(given_now, Migrated)
    assert given_now.add == {"kind": "y"}


def test_booleans_that_turned_round_are_turned() -> None:
    chain = [Migration(invert={"skip": "use"})]

    found = migrate(step(skip="true"), major(1, "skip"), major(2, "use"), (1, 0, 0, 1), chain, what="x v2")
    unclear = migrate(step(skip="${{ inputs.x }}"), major(1, "skip"), major(2, "use"), (1, 0, 0, 1), chain, what="x v2")

    assert isinstance(found, Migrated)
    assert (found.rename, found.set) == ({"skip": "use"}, {"skip": False})
    assert isinstance(unclear, Blocked)


def test_inputs_are_combined_where_all_parts_are_there() -> None:
    chain = [Migration(combine={"author": ("${name} <${email}>",)})]
    old, new = major(1, "name", "email"), major(2, "author")

    found = migrate(step(name="A", email="a@b"), old, new, (1, 0, 0, 1), chain, what="x v2")
    half = migrate(step(name="A"), old, new, (1, 0, 0, 1), chain, what="x v2")

    assert isinstance(found, Migrated)
    assert (found.add, found.delete) == ({"author": "A <a@b>"}, ("name", "email"))
    assert isinstance(half, Blocked)


def test_a_variable_becomes_an_input_unless_it_is_the_jobs_own_token() -> None:
    chain = [Migration(env_to_input={"TOKEN": "token"})]
    own = StepUse({}, {"TOKEN": "${{ secrets.GITHUB_TOKEN }}"}, {})
    other = StepUse({}, {"TOKEN": "${{ secrets.PAT }}"}, {})
    outside = StepUse({}, {}, {"TOKEN": "${{ secrets.PAT }}"})

    made = [migrate(use, major(1), major(2, "token"), (1, 0, 0, 1), chain, what="x") for use in (own, other, outside)]

    assert [(m.add, m.env_delete) for m in made if isinstance(m, Migrated)] == [
        ({}, ()),
        ({"token": "${{ secrets.PAT }}"}, ("TOKEN",)),
        ({"token": "${{ env.TOKEN }}"}, ()),
    ]


def test_a_condition_that_is_not_known_is_an_error_also_behind_one_that_does_not_hold() -> None:
    with pytest.raises(ValueError, match="no such condition: trigegr"):
        StepUse({}, {}, {}).holds({"input": "path", "trigegr": ["push"]}, (1, 0, 0, 0), {})


def test_only_migrations_on_the_way_count() -> None:
    action = CATALOG.action("softprops/action-gh-release")
    assert action is not None

    assert len(between(action, (1, 0, 0, 1), (3, 0, 0, 1))) == 1
    assert between(action, (2, 5, 3, 1), (3, 0, 0, 1)) == ()


@pytest.mark.slow
def test_over_every_pair_of_versions_no_step_ends_with_an_input_that_is_not_there() -> None:
    for name in CATALOG.names():
        action = CATALOG.action(name)
        assert action is not None
        for old in action.majors.values():
            for new in action.majors.values():
                if old.number >= new.number:
                    continue
                chain = between(action, old.version, new.version)
                for given_input in sorted(old.inputs_at()):
                    use = StepUse(dict.fromkeys((*old.required, given_input), "x"), {}, {})
                    made = migrate(use, old, new, old.version, chain, what=name)
                    if isinstance(made, Migrated):
                        left = {made.rename.get(key, key) for key in use.inputs if key not in made.delete}
                        left |= set(made.add)
                        assert left <= new.inputs_at(), (name, old.release, new.release, given_input)
                        assert new.required <= left or new.required - left <= old.required, (name, given_input)


# -- matrices -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("matrix", "jobs"),
    [
        ({"a": [1, 2], "b": ["x"]}, [{"a": 1, "b": "x"}, {"a": 2, "b": "x"}]),
        ({"a": [1, 2], "exclude": [{"a": 2}]}, [{"a": 1}]),
        ({"a": [1], "include": [{"a": 1, "c": 3}, {"a": 9}]}, [{"a": 1, "c": 3}, {"a": 9}]),
        ({"include": [{"os": "linux"}, {"os": "mac"}]}, [{"os": "linux"}, {"os": "mac"}]),
        ({"a": "${{ fromJSON(inputs.list) }}"}, None),
        ("${{ fromJSON(inputs.matrix) }}", None),
    ],
)
def test_a_matrix_makes_the_jobs_that_github_makes(matrix: Any, jobs: list[dict[str, Any]] | None) -> None:
    assert combinations_of(matrix) == jobs


# -- how the data is made -----------------------------------------------------------------------------------------

ACTION = """\
name: Greet
inputs:
  who: {description: whom, required: true}
  how: {description: how, required: true, default: loudly}
outputs:
  said: {description: what was said}
runs: {using: node20, main: index.js}
"""
NEWER = ACTION.replace("  how: {description: how, required: true, default: loudly}\n", "  tone: {}\n").replace(
    "20", "24"
)


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "init.defaultBranch=main")
    command = ["git", *identity, "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    folder = tmp_path / "clones" / "acme" / "greet"
    folder.mkdir(parents=True)
    git(folder, "init", "-q")
    for tag, text in (("v1.0.0", ACTION), ("v1.1.0", NEWER)):
        (folder / "action.yml").write_text(text)
        (folder / "sub").mkdir(exist_ok=True)
        (folder / "sub" / "action.yaml").write_text("runs: {using: composite, steps: []}\n")
        (folder / "tests").mkdir(exist_ok=True)
        (folder / "tests" / "action.yml").write_text(text)
        git(folder, "add", "-A")
        git(folder, "commit", "-q", "-m", tag)
        git(folder, "tag", "-a", "-m", tag, tag)
    git(folder, "tag", "v1")
    return folder


def test_without_a_release_only_the_actions_are_known(clone: Path) -> None:
    git(clone, "tag", "-d", "v1", "v1.0.0", "v1.1.0")

    made = refresh("acme/greet", Clone(clone), None, as_of="2026-01-01", source="here")
    again = refresh("acme/greet", Clone(clone), json.loads(rendered(made.data)), as_of="2026-01-02", source="here")

    assert made.data["actions"] == again.data["actions"] == {"": {}, "sub": {}}


def test_a_majors_record_grows_release_by_release(clone: Path) -> None:
    made = refresh("acme/greet", Clone(clone), None, as_of="2026-01-01", source="here")

    assert made.read == ("v1.0.0", "v1.1.0")
    assert made.data["actions"][""]["v1"] == {
        "release": "v1.1.0",
        "runtime": [["v1.0.0", "node20"], ["v1.1.0", "node24"]],
        "inputs": {"tone": {"since": "v1.1.0"}, "who": {"required": True}},
        "dropped": {"how": "v1.0.0"},
        "outputs": {"said": ""},
    }
    assert list(made.data["actions"]) == ["", "sub"]
    assert made.data["tags"]["v1"] == git(clone, "rev-parse", "v1.1.0^{commit}")
    assert made.data["branch"] == "main"


def test_only_what_is_new_is_read_and_a_moved_release_is_reported(clone: Path) -> None:
    first = refresh("acme/greet", Clone(clone), None, as_of="2026-01-01", source="here").data
    (clone / "action.yml").write_text(NEWER.replace("tone", "mood"))
    git(clone, "commit", "-q", "-a", "-m", "v1.2.0")
    git(clone, "tag", "v1.2.0")
    git(clone, "tag", "-f", "v1.0.0", "HEAD")

    made = refresh("acme/greet", Clone(clone), first, as_of="2026-02-01", source="here")

    assert made.read == ("v1.2.0",)
    assert [line.partition(":")[0] for line in made.moved] == ["v1.0.0"]
    assert made.data["actions"][""]["v1"]["dropped"] == {"how": "v1.0.0", "tone": "v1.1.0"}
    assert json.loads(rendered(made.data)) == {k: v for k, v in made.data.items() if v or k == "branch"}


def test_a_file_that_cannot_be_read_is_said_and_not_fatal(clone: Path) -> None:
    (clone / "action.yml").write_text("runs: [\n")
    git(clone, "commit", "-q", "-a", "-m", "v2.0.0")
    git(clone, "tag", "v2.0.0")

    made = refresh("acme/greet", Clone(clone), None, as_of="2026-01-01", source="here")

    assert made.unreadable == ("v2.0.0: action",)
    assert list(made.data["actions"][""]) == ["v1"]


def test_a_folder_that_is_no_clone_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CloneError):
        refresh("a/b", Clone(tmp_path), None, as_of="2026-01-01", source="here")


def test_an_image_of_its_own_and_one_of_a_registry_differ() -> None:
    assert (metadata_of("runs: {using: docker, image: Dockerfile}") or {})["runtime"] == "docker"
    assert (metadata_of("runs: {using: docker, image: 'docker://x'}") or {})["runtime"] == "docker:image"
    assert metadata_of("name: no runs") is None


def test_the_first_release_starts_a_record() -> None:
    assert fold(None, "v1.0.0", {"runtime": "node24", "inputs": {"b": {}, "a": {}}, "outputs": []}) == {
        "release": "v1.0.0",
        "runtime": "node24",
        "inputs": {"a": {}, "b": {}},
        "outputs": {},
    }


# -- the commands -------------------------------------------------------------------------------------------------


def test_show_says_what_is_known() -> None:
    result = CliRunner().invoke(command, ["show", "codecov/codecov-action@v3"])

    assert result.exit_code == 0
    assert "file became files" in result.output
    assert "as of 2025-12-13" in result.output
    assert CliRunner().invoke(command, ["show", "nobody/knows"]).exit_code == 3


def test_verify_finds_nothing_wrong() -> None:
    result = CliRunner().invoke(command, ["verify"])

    assert result.exit_code == 0
    assert "0 problems" in result.output


def test_update_reads_local_clones(clone: Path, tmp_path: Path) -> None:
    arguments = ["update", "acme/greet", "--clones", str(tmp_path / "clones"), "--into", str(tmp_path / "data")]
    result = CliRunner().invoke(command, [*arguments, "--as-of", "2026-01-01"])

    assert result.exit_code == 0, result.output
    data = json.loads((tmp_path / "data" / "acme" / "greet.json").read_text())
    assert data["as_of"] == "2026-01-01"
    assert list(data["actions"]) == ["", "sub"]
    assert "0 versions read" in CliRunner().invoke(command, arguments).output


def test_update_says_which_repository_it_could_not_read(tmp_path: Path) -> None:
    arguments = ["update", "acme/none", "--clones", str(tmp_path), "--into", str(tmp_path / "data")]
    result = CliRunner().invoke(command, arguments)

    assert result.exit_code == 1
    assert "acme/none: no clone" in result.output


@pytest.fixture
def server(clone: Path) -> Iterator[str]:
    """An Enterprise Server's API over the clone, as far as it is asked."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *args: Any) -> None:
            pass

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            assert self.headers["Authorization"] == "Bearer secret"
            path, query = parts.path.removeprefix("/api/v3/repos/acme/greet"), parse_qs(parts.query)
            body = json.dumps(self.answer(path, query)).encode()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def answer(self, path: str, query: dict[str, list[str]]) -> Any:
            if path == "":
                return {"default_branch": "main"}
            if path == "/git/matching-refs/tags":
                listing = git(clone, "for-each-ref", "--format=%(refname) %(objecttype) %(objectname)", "refs/tags")
                rows = [line.split() for line in listing.splitlines()]
                return [{"ref": ref, "object": {"type": kind, "sha": sha}} for ref, kind, sha in rows]
            if path.startswith("/git/tags/"):
                commit = git(clone, "rev-parse", path.rpartition("/")[2] + "^{commit}")
                return {"object": {"type": "commit", "sha": commit}}
            if path == "/branches":
                return [{"name": "main", "commit": {"sha": git(clone, "rev-parse", "main")}}]
            if path.startswith("/git/trees/"):
                assert query["recursive"] == ["1"]
                tree = Clone(clone).files(path.rpartition("/")[2])
                return {"tree": [{"type": "blob", "path": name, "sha": sha} for name, sha in tree.items()]}
            text = Clone(clone).text(path.rpartition("/")[2])
            return {"content": base64.b64encode(text.encode()).decode()}

    with served(Handler) as url:
        yield url


def test_update_reads_an_enterprise_server(server: str, clone: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(
        command,
        ["update", "acme/greet", "--server", server, "--into", str(tmp_path / "data"), "--as-of", "2026-01-01"],
        env={"FHFIX_TOKEN": "secret"},
    )

    assert result.exit_code == 0, result.output
    made = json.loads((tmp_path / "data" / "acme" / "greet.json").read_text())
    from_clone = refresh("acme/greet", Clone(clone), None, as_of="2026-01-01", source=made["source"]).data
    assert made == json.loads(rendered(from_clone))


def test_update_without_a_token_says_so(tmp_path: Path) -> None:
    names = ("FHFIX_TOKEN", "GH_TOKEN", "GITHUB_TOKEN")
    result = CliRunner().invoke(command, ["update", "a/b", "--into", str(tmp_path)], env=dict.fromkeys(names))

    assert result.exit_code == 1
    assert "no token for github.com" in result.output


def test_a_composite_action_says_what_it_calls_in_any_case() -> None:
    text = (
        "runs:\n  using: composite\n  steps:\n    - uses: actions/cache@v4\n    - uses: ./inner\n"
        "    - if: inputs.x\n      uses: actions/github-script@v7\n    - uses: actions/cache@v4\n"
    )
    found = metadata_of(text)

    assert found is not None
    assert found["calls"] == ["actions/cache@v4"]
    assert fold(fold(None, "v1.0.0", found), "v1.1.0", {**found, "calls": []})["calls"] == []
