"""Dockerfiles: read as BuildKit's own parser reads them, and edited so that text and meaning agree."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixer.documents import kind_of
from fixer.languages.dockerfile import Dockerfile, ImageRef, Instruction, New, environment
from fixer.model import Blocked, FileError, Parts, Source
from fixer.scripts import ScriptText
from fixer.splice import splice
from fixer.verify import kept_promise

moby: Any = import_module("dockerfile")
"""BuildKit's parser itself, which has no type hints."""

NASTY = """\
# syntax=docker/dockerfile:1
# a comment
ARG VERSION=3.12
ARG SUITE

from --platform=$BUILDPLATFORM python:${VERSION}-slim as Build
WORKDIR /app
RUN --mount=type=cache,target=/root/.cache/pip \\
    # why this is here
    pip install \\

      -r requirements.txt && \\
    echo "a  #  b"
COPY --chown=app:app --link [ "a file", "/app/" ]
RUN <<EOF cat > /hello && <<-'END' cat
one \\
EOF
\ttwo
\tEND
ENV A=1 B="two words" \\
    C=three\\ words
ENV OLD style value
ONBUILD RUN echo hello
FROM build AS final
HEALTHCHECK --interval=5s CMD [ "true" ]
CMD ["python", "-m", "app"]"""

WINDOWS = "# escape=`\r\nFROM mcr.microsoft.com/windows/nanoserver:ltsc2022\r\nCOPY a `\r\n  c:\\\r\nRUN dir c:\\\r\n"


def dockerfile(text: str) -> Dockerfile:
    return Dockerfile.parse(Source("Dockerfile", text))


def edited(text: str, parts: Parts) -> str:
    """The text after the edits; their text and their meaning must agree."""
    assert not isinstance(parts, Blocked)
    after = splice(text, parts)
    kept_promise(dockerfile(text), parts, Source("Dockerfile", after))
    return after


def theirs(text: str) -> list[tuple[Any, ...]]:
    return [
        (c.cmd.upper(), c.start_line, c.end_line, c.flags, tuple(h.content for h in c.heredocs))
        for c in moby.parse_string(text)
    ]


def ours(text: str) -> list[tuple[Any, ...]]:
    document = dockerfile(text)
    return [
        (i.op, document.line(i), document.source.line_of(i.span.end), tuple(f.text for f in i.flags),
         tuple(h.text for h in i.heredocs))
        for i in document.instructions
    ]  # fmt: skip


@pytest.mark.parametrize("text", [NASTY, WINDOWS, NASTY + "\n", "from a\n\\\nrun x\n", "FROM a\nRUN a \\\n# c\n\n b\n"])
def test_instructions_stand_where_buildkit_sees_them(text: str) -> None:
    assert ours(text) == theirs(text)


def test_bodies_are_what_buildkit_reads() -> None:
    read = {c.start_line: c.value for c in moby.parse_string(NASTY)}
    document = dockerfile(NASTY)
    for instruction in document.instructions:
        if instruction.op in ("CMD", "COPY", "FROM"):
            assert instruction.args == read[document.line(instruction)]
        if instruction.op == "RUN":
            assert (instruction.text,) == read[document.line(instruction)]


def test_environment_values_lose_their_quotes() -> None:
    assert [i.pairs for i in dockerfile(NASTY).instructions if i.op == "ENV"] == [
        (("A", "1"), ("B", "two words"), ("C", "three words")),
        (("OLD", "style value"),),
    ]


def test_a_stage_that_starts_from_another_inherits_from_it() -> None:
    document = dockerfile(NASTY)
    build, final = document.stages

    assert build.image == ImageRef("", "python", "3.12-slim")
    assert (build.name, final.name) == ("build", "final")
    assert final.parent is build
    assert final.image is None
    assert final.last("WORKDIR") is build.instructions[0]
    assert document.global_args["SUITE"] is None


@pytest.mark.parametrize(
    ("text", "base"),
    [
        ("ARG A=alpine\nFROM node:${TAG:-20}-$A\n", "node:20-alpine"),
        ("ARG A\nFROM node:$A\n", ""),
        ("ARG A=1\nARG B=$A.2\nFROM node:${B}\n", "node:1.2"),
        ("FROM node:20${UNSET:+-x}\n", "node:20"),
    ],
)
def test_arguments_before_from_are_expanded_in_from(text: str, base: str) -> None:
    assert dockerfile(text).final.base == base


def test_copy_from_names_a_stage_by_name_or_number() -> None:
    document = dockerfile(
        "FROM a AS one\nFROM b\nCOPY --from=ONE /x /x\nCOPY --from=0 /y /y\nCOPY --from=nginx /z /z\n"
    )
    found = [document.source_stage(i) for i in document.final.instructions]
    assert found == [document.stages[0], document.stages[0], None]


def test_env_wins_over_arg_in_a_stage() -> None:
    document = dockerfile("ARG V=1\nFROM a\nARG V\nENV W=$V X=x\nARG X=y\nENV Z=$UNKNOWN\n")
    assert environment(document.final.instructions, document.global_args) == {"V": "1", "W": "1", "X": "x", "Z": None}


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("python", ImageRef("", "python")),
        ("docker.io/library/python:3.11", ImageRef("", "python", "3.11")),
        ("ghcr.io/astral-sh/uv:0.9@sha256:ab", ImageRef("ghcr.io", "astral-sh/uv", "0.9", "sha256:ab")),
        ("localhost:5000/a/b", ImageRef("localhost:5000", "a/b")),
        ("bitnami/redis:7", ImageRef("", "bitnami/redis", "7")),
    ],
)
def test_image_references_have_parts(text: str, parsed: ImageRef) -> None:
    assert ImageRef.parse(text) == parsed


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "has no FROM"),
        ("RUN x\n", "line 1: RUN before the first FROM"),
        ("FROM a\n{% if x %}\n", "line 2: unknown instruction"),
        ("FROM a\nRUN <<EOF\nx\n", "line 2: here-document 'EOF' is not ended"),
        ("# escape=x\nFROM a\n", "invalid escape character"),
        ("FROM a b c d\n", "line 1: FROM needs one image"),
    ],
)
def test_what_cannot_be_built_is_refused_with_its_line(text: str, reason: str) -> None:
    with pytest.raises(FileError, match=reason):
        dockerfile(text)


def first(text: str, op: str) -> tuple[Dockerfile, Instruction]:
    document = dockerfile(text)
    return document, next(i for i in document.instructions if i.op == op)


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("FROM a\nCMD b\n", "FROM a\nUSER app\nCMD b\n"),
        ("FROM a\n\n# start\nCMD b\n", "FROM a\n\nUSER app\n\n# start\nCMD b\n"),
        ("FROM a\r\n\r\nCMD b\r\n", "FROM a\r\n\r\nUSER app\r\n\r\nCMD b\r\n"),
        ("from a\ncmd b", "from a\nuser app\ncmd b"),
        ("FROM a\nRUN x \\\n  # inside\n  y\nCMD b", "FROM a\nRUN x \\\n  # inside\n  y\nUSER app\nCMD b"),
    ],
)
def test_an_instruction_goes_before_another_and_its_comment(text: str, after: str) -> None:
    document, anchor = first(text, "CMD")
    assert edited(text, document.insert_before(anchor, New("USER", "app"))) == after


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("FROM a\nRUN b\n", "FROM a\nRUN b\nUSER app\n"),
        ("FROM a\nRUN b", "FROM a\nRUN b\nUSER app"),
        ("FROM a\n\nRUN b", "FROM a\n\nRUN b\n\nUSER app"),
        ("FROM a\nRUN b\n\nCMD c\n", "FROM a\nRUN b\n\nUSER app\n\nCMD c\n"),
        ("FROM a\nRUN <<E\nb\nE\nCMD c\n", "FROM a\nRUN <<E\nb\nE\nUSER app\nCMD c\n"),
    ],
)
def test_an_instruction_goes_after_another_and_its_here_documents(text: str, after: str) -> None:
    document, anchor = first(text, "RUN")
    assert edited(text, document.insert_after(anchor, New("USER", "app"))) == after


def test_nothing_goes_after_a_continuation_without_a_next_line() -> None:
    document, anchor = first("FROM a\nRUN b \\\n\n# end\n", "RUN")
    assert isinstance(document.insert_after(anchor, New("USER", "app")), Blocked)


def test_new_lines_in_a_body_become_continuations_in_the_files_own_style() -> None:
    document, anchor = first(WINDOWS, "RUN")
    after = edited(
        WINDOWS, document.insert_after(anchor, New("RUN", ScriptText.of("one\n&& two")), New("CMD", ["a b"]))
    )
    assert after == WINDOWS + 'RUN one `\r\n  && two\r\nCMD ["a b"]\r\n'


@pytest.mark.parametrize(
    ("line", "after"),
    [
        ("COPY . .", "COPY --chown=a:b . ."),
        ("COPY --link  . .", "COPY --link --chown=a:b  . ."),
        ("COPY --chown=root --link . .", "COPY --chown=a:b --link . ."),
        ("copy \\\n  . .", "copy --chown=a:b \\\n  . ."),
        ('COPY ["a", "b"]', 'COPY --chown=a:b ["a", "b"]'),
    ],
)
def test_a_flag_is_set_or_added(line: str, after: str) -> None:
    document, copy = first(f"FROM a\n{line}\n", "COPY")
    assert edited(document.source.text, document.set_flag(copy, "chown", "a:b")) == f"FROM a\n{after}\n"


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("FROM a\nUSER b\nCMD c\n", "FROM a\nCMD c\n"),
        ("FROM a\n\nUSER b\n\nCMD c\n", "FROM a\n\nCMD c\n"),
        ("FROM a\r\nUSER b", "FROM a"),
        ("FROM a\nUSER \\\n b\n", "FROM a\n"),
    ],
)
def test_an_instruction_goes_with_its_lines(text: str, after: str) -> None:
    document, user = first(text, "USER")
    assert edited(text, document.delete(user)) == after


def test_a_body_is_replaced_whole() -> None:
    document, expose = first("FROM a\nEXPOSE 80 443\n", "EXPOSE")
    assert edited(document.source.text, document.set_body(expose, "1\n2")) == "FROM a\nEXPOSE 1 \\\n    2\n"


def test_a_body_with_comments_inside_is_not_replaced() -> None:
    document, run = first("FROM a\nRUN x \\\n# why\n y\n", "RUN")
    assert isinstance(document.set_body(run, ScriptText.of("z")), Blocked)


SHAPES = st.sampled_from([NASTY, NASTY + "\n", NASTY.replace("\n", "\r\n"), WINDOWS, "FROM a", "from a\n\n\ncmd b\n\n"])
BODIES = st.sampled_from([ScriptText.of("app"), ScriptText.of("echo a\n&& echo 'b  c'"), ["a", 'b "c"', "ü"]])


@given(SHAPES, BODIES, st.integers(0, 20), st.booleans())
def test_deleting_what_was_inserted_gives_the_meaning_back(
    text: str, body: str | list[str], at: int, before: bool
) -> None:
    document = dockerfile(text)
    started = next(i.index for i in document.instructions if i.op == "FROM")
    anchor = document.instructions[started + at % (len(document.instructions) - started)]
    before = before and anchor.index > started
    insert = document.insert_before if before else document.insert_after
    new = edited(text, insert(anchor, New("CMD" if isinstance(body, list) else "RUN", body)))
    added = dockerfile(new).instructions[anchor.index + (not before)]

    assert dockerfile(edited(new, dockerfile(new).delete(added))).plain() == document.plain()


@given(SHAPES, st.integers(0, 20), st.sampled_from(["chown", "link", "mount"]))
def test_a_flag_changes_nothing_else(text: str, at: int, name: str) -> None:
    document = dockerfile(text)
    instruction = document.instructions[at % len(document.instructions)]
    parts = document.set_flag(instruction, name, "v")

    edited(text, parts)
    assert not isinstance(parts, Blocked)
    assert all(instruction.span.start < edit.span.start <= instruction.span.end for edit in parts)


@pytest.mark.parametrize(
    ("path", "is_one"),
    [
        ("Dockerfile", True), ("docker/Dockerfile.prod", True), ("web.Dockerfile", True), ("Dockerfile-django", True),
        ("docker/web/Dockerfile_alpine", True), ("dockerfile_lint.py", False), ("Dockerfile-template.j2", False),
        ("Dockerfile.md", False), ("dockerfiles", False),
        ("Dockerfile.bak", False), ("docker/Dockerfile.prod.old", False),
    ],
)  # fmt: skip
def test_a_dockerfile_is_known_by_its_name(path: str, is_one: bool) -> None:
    assert kind_of(path).endswith("dockerfile.Dockerfile") is is_one
