"""Shell scripts are read as bash reads them; bash itself is the judge wherever it can be asked."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from fixer.github.expressions import places
from fixer.github.workflow import Workflow
from fixer.languages.shell import (
    Command,
    Redirect,
    Script,
    Shell,
    Silence,
    Structure,
    in_quotes,
    path_word,
    word,
)
from fixer.model import Blocked, Source


def only(text: str, name: str = "mypy", shell: Shell = Shell()) -> Command:  # noqa: B008
    script = Script.parse(text, shell, places(text))
    assert not script.error
    found = [command for command in script.commands if command.name == name]
    assert len(found) == 1
    return found[0]


def silences(text: str, shell: Shell = Shell()) -> list[Silence]:  # noqa: B008
    command = only(text, shell=shell)
    return [silencer.kind for silencer in command.script.silencers(command)]


def texts(command: Command) -> list[str]:
    return [word.text for word in command.argv]


# -- words ------------------------------------------------------------------------------------------------------


def test_words_lose_their_quotes_and_keep_their_places() -> None:
    text = """mypy  'a b' "c\\"d" e\\ f g"h"'i' \\\n  --x="1 2" """
    command = only(text)

    assert texts(command) == ["mypy", "a b", 'c"d', "e f", "ghi", "--x=1 2"]
    assert [text[word.start : word.end] for word in command.words][1:3] == ["'a b'", '"c\\"d"']
    assert all(word.literal for word in command.words)


@pytest.mark.parametrize("word", ["$A:$1", "${A}/$1", "a/$B:$1", "$A:$@", "$A:$$"])
def test_a_word_ends_where_the_shell_ends_it(word: str) -> None:
    assert texts(only(f"mypy {word} b")) == ["mypy", word, "b"]


@pytest.mark.parametrize("word", ["$A", '"$A"', "${A:-b}", "$(b)", "a*", "~/x", "${{ env.A }}", '"${{ a }}"', "{1..3}"])
def test_a_word_with_an_expansion_is_not_literal(word: str) -> None:
    assert not only(f"mypy {word}").args[0].literal


def test_offsets_count_characters_around_expressions_and_other_letters() -> None:
    text = "echo '✅ größe' ${{ format('}} {0}', matrix.os) }}; mypy ${{ inputs.path }}/é || true\n"
    command = only(text)

    assert text[command.start : command.end] == "mypy ${{ inputs.path }}/é"
    assert texts(command) == ["mypy", "${{ inputs.path }}/é"]
    (silencer,) = command.script.silencers(command)
    assert text[silencer.start : silencer.end] == " || true"


def test_text_in_comments_strings_and_here_documents_is_no_command() -> None:
    script = Script.parse(
        "# mypy . || true\n"
        "echo \"mypy . || true\" 'mypy'\n"
        "cat <<EOF > notes # mypy\n"
        "mypy . || true\n"
        "EOF\n"
        "cat <<'EOF'\n"
        "$(mypy .)\n"
        "EOF\n"
        "echo done\n"
    )

    assert [command.name for command in script.commands] == ["echo", "cat", "cat", "echo"]


def test_a_command_inside_a_string_that_the_shell_runs_is_a_command() -> None:
    assert only('echo "types: $(mypy .)"').within(Structure.SUBSTITUTION)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("mypy .", "mypy ."),
        ("python -m mypy .", "mypy ."),
        ("python3.11 -W ignore -m mypy .", "mypy ."),
        ("/opt/venv/bin/python -m mypy .", "mypy ."),
        ("xvfb-run -s '-screen 0' .venv/bin/mypy .", ".venv/bin/mypy ."),
        ("A=1 B='2 3' mypy .", "mypy ."),
        ("env -u HOME A=1 mypy .", "mypy ."),
        ("sudo -u app -E mypy .", "mypy ."),
        ("timeout -k 5 10m mypy .", "mypy ."),
        ("timeout --signal=KILL 10 python -m mypy .", "mypy ."),
        ("time nice -n 5 mypy .", "mypy ."),
        ("npx --yes -p typescript tsc --noEmit", "tsc --noEmit"),
        ("npx --no-install -- tsc", "tsc"),
        ("npm exec -- tsc --noEmit", "tsc --noEmit"),
        ("pnpm exec tsc", "tsc"),
        ("pnpm --filter web exec tsc", "pnpm --filter web exec tsc"),
        ("poetry run python -m mypy .", "mypy ."),
        ("poetry run mypy .", "mypy ."),
        ("uv run --group dev --with 'mypy>=1' mypy .", "mypy ."),
        ("uv run -m mypy .", "mypy ."),
        ("uv run coverage run --source . -m mypy .", "mypy ."),
        ("uvx --from mypy mypy .", "mypy ."),
        ("uv tool run mypy .", "mypy ."),
        ("pipenv run mypy .", "mypy ."),
        ("docker compose run --rm -e A=1 web mypy .", "mypy ."),
        ("docker-compose exec -T web python manage.py migrate", "python manage.py migrate"),
        ("docker compose -f ci.yml --profile test run --rm web pytest -q", "pytest -q"),
        ("docker-compose -f ci.yml run --rm web pytest", "pytest"),
        ("docker compose -f ci.yml build", "docker compose -f ci.yml build"),
        ("python manage.py test", "python manage.py test"),
        ("python -c 'import mypy'", "python -c import mypy"),
        ("command -v mypy", "command -v mypy"),
        ("npm run build", "npm run build"),
    ],
)
def test_programs_that_start_others_are_seen_through(text: str, wanted: str) -> None:
    (command,) = Script.parse(text).commands
    assert " ".join(texts(command)) == wanted


def test_an_installed_program_has_the_name_without_its_folder() -> None:
    script = Script.parse("node_modules/.bin/tsc; ./scripts/mypy; $TOOL x; $HOME/.venv/bin/mypy; /usr/bin/curl u")

    assert [command.name for command in script.commands] == ["tsc", "./scripts/mypy", "", "mypy", "curl"]


def test_options_are_found_in_every_way_of_writing_them() -> None:
    command = only("mypy -sfo out --cluster=web --service api --region $R -- x")

    assert command.has("-f")
    assert command.has("--cluster")
    assert not command.has("-x", "--clus")
    assert [found.text for o in ("-o", "--cluster", "--service", "--region") if (found := command.value(o))] == [
        "out",
        "web",
        "api",
        "$R",
    ]
    assert command.value("--nothing") is None


def test_what_reads_the_output_of_a_command_is_known() -> None:
    script = Script.parse("a 2>/dev/null | sudo b -c > log | (c; d)\ne")

    assert {c.name: [other.name for other in c.receivers] for c in script.commands} == {
        "a": ["b", "c"],
        "b": ["c"],
        "c": [],
        "d": [],
        "e": [],
    }


@pytest.mark.parametrize(
    ("text", "words", "targets"),
    [
        ("pg_dump > out.sql -U shop", ["pg_dump", "-U", "shop"], ["out.sql"]),
        ("pg_dump > $A/b_$C.sql 2> log shop", ["pg_dump", "shop"], ["$A/b_$C.sql", "log"]),
        ("psql <<SQL > out -d shop\nselect 1\nSQL", ["psql", "-d", "shop"], ["", "out"]),
        ("cd a && psql > out shop", ["psql", "shop"], ["out"]),
    ],
)
def test_words_behind_a_redirection_are_those_of_the_command(text: str, words: list[str], targets: list[str]) -> None:
    command = only(text, words[0])

    assert [word.text for word in command.words] == words
    assert [redirect.target for redirect in command.redirects] == targets
    assert all(text[r.start : r.end].endswith(r.target) for r in command.redirects if r.target)


@pytest.mark.parametrize(
    ("loop", "expected"),
    [
        ("while true; do if mypy .; then break; fi; test $n -lt 3 || die; sleep 3; done", True),
        ("while :; do if mypy .; then exit 0; fi; exit 1; done", True),
        ("while true; do if mypy .; then break; fi; test $n = 3 && break; done", False),
        ("while true; do if mypy .; then break; fi; test $n = 3 && exit 0; done", False),
        ("while test $n -lt 3; do if mypy .; then break; fi; done", False),
        ("until false; do if mypy .; then break; fi; done", False),
        ("for n in 1 2 3; do if mypy .; then break; fi; done", False),
        ("while true; do if ! mypy .; then continue; fi; break; done", False),
        ("if mypy .; then break; fi", False),
    ],
)
def test_a_loop_without_an_end_may_be_left_by_success_alone(loop: str, expected: bool) -> None:
    assert only(loop).is_repeated_until_it_succeeds is expected


def test_redirections_belong_to_the_last_command_of_a_list() -> None:
    text = "a && mypy . > log 2>&1"
    redirects = only(text).redirects

    assert [(r.operator, r.target) for r in redirects] == [(">", "log"), (">&", "1")]
    assert isinstance(redirects[0], Redirect)
    assert only(text, "a").redirects == ()


# -- structure --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("mypy", []),
        ("a | mypy | b", ["pipeline"]),
        ("a && mypy || b", ["list", "list"]),
        ("for i in 1 2; do mypy; done", ["loop"]),
        ("until mypy; do a; done", ["condition", "loop"]),
        ("while a; do b; mypy; done", ["loop"]),
        ("if mypy; then a; fi", ["condition"]),
        ("if a; then b; elif ! mypy; then c; fi", ["negation", "condition", "branch"]),
        ("if a; then mypy; fi", ["branch"]),
        ("if a; then b; else mypy; fi", ["branch", "branch"]),
        ("case $a in b) mypy ;; esac", ["branch"]),
        ("(cd a; mypy)", ["subshell"]),
        ("{ mypy; } 2>&1", ["group"]),
        ("f() { mypy; }", ["group", "function"]),
        ("x=$(mypy)", ["substitution"]),
        ("diff <(mypy) b", ["substitution"]),
        ("mypy &\nwait", ["background"]),
        ("a && mypy & b", ["list", "background"]),
    ],
)
def test_where_a_command_stands_is_told_from_the_inside_out(text: str, wanted: list[str]) -> None:
    assert [str(structure) for structure in only(text).structure] == wanted


def test_a_statement_is_told_with_its_neighbours() -> None:
    text = "cd a\nmypy . > log || true; echo b\n"
    command = only(text)
    start, end = command.statement

    assert text[start:end] == "mypy . > log || true"
    assert not command.alone
    assert command.block == only(text, "echo").block
    assert only("cd a; mypy . 2>/dev/null").alone


def test_a_variable_that_is_set_once_has_a_value() -> None:
    found = Script.parse('A=1\nexport B="$A/x"\nC=1\nC=2\nif a; then D=1; fi\nE+=1\nF=').assignments

    assert {name: word.text for name, word in found.items()} == {"A": "1", "B": "$A/x", "F": ""}


# -- whether a failure counts -----------------------------------------------------------------------------------

PIPEFAIL = Shell(errexit=True, pipefail=True)
CARELESS = Shell(errexit=False, pipefail=False)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("mypy .", []),
        ("mypy .\necho done", []),
        ("mypy . ; true", []),
        ("mypy . || true", ["or"]),
        ("mypy . || :", ["or"]),
        ("mypy . || exit 0", ["or"]),
        ("mypy . || echo 'types are wrong' >&2", ["or"]),
        ("mypy . || { echo bad; true; }", ["or"]),
        ("mypy . \\\n  --strict \\\n  || true", ["or"]),
        ("cd src && mypy . || true", ["or"]),
        ("mypy . && echo ok || echo bad", ["or"]),
        ("(cd src && mypy .) || true", ["or"]),
        ("{ mypy .; echo done; } || true", ["or"]),
        ("mypy . || exit 1", []),
        ("mypy . || exit", []),
        ("mypy . || false", []),
        ("mypy . || { echo bad; exit 1; }", []),
        ("test -f mypy.ini && mypy .", []),
        ("test -f skip || mypy .", []),
        ("mypy . && echo ok", []),
        ("mypy . && echo ok\necho more", ["and"]),
        ("if true; then mypy . && echo ok; fi", []),
        ("if true; then mypy . && echo ok; fi\necho more", ["and"]),
        ("mypy . | tee log", ["pipe"]),
        ("mypy . 2>&1 | tee log || true", ["pipe", "or"]),
        ("set -o pipefail\nmypy . | tee log", []),
        ("set -euo pipefail\nmypy . | tee log", []),
        ("set -o pipefail\nset +o pipefail\nmypy . | tee log", ["pipe"]),
        ("(set -o pipefail)\nmypy . | tee log", ["pipe"]),
        ("set +e\nmypy .\necho done", ["errexit"]),
        ("set +e\nmypy .", []),
        ("set +e\nset -e\nmypy .\necho done", []),
        ("set +o errexit\nmypy .; true", ["errexit"]),
        ("mypy . &\nwait", ["background"]),
        ("f() { mypy . ; }\nf", []),
        ("mypy . || FAILED=1", ["handled"]),
        ('mypy . || echo failed=1 >> "$GITHUB_OUTPUT"', ["handled"]),
        ("mypy . || mypy --install-types", ["handled"]),
        ("if ! mypy .; then echo bad; fi", ["handled", "handled"]),
        ("OUT=$(mypy . || true)", ["or", "handled"]),
        ("mypy . | grep error", ["handled"]),
        ("mypy . | mypy-baseline filter", ["handled"]),
        ("mypy . | tee a | tee b || true", ["handled"]),
        ("set -o pipefail\nmypy . | grep -v note || true", ["handled"]),
        ("set -o pipefail\nmypy . | tee log || true", ["or"]),
        ("mypy . | tee log; exit ${PIPESTATUS[0]}", ["handled"]),
        ("set +e\nmypy .\ncode=$?\nexit $code", ["handled"]),
    ],
)
def test_what_silences_a_failure(text: str, wanted: list[str]) -> None:
    if text.startswith("mypy . || mypy"):
        first = next(iter(Script.parse(text).commands))
        assert [str(s.kind) for s in first.script.silencers(first)] == wanted
    else:
        assert [str(kind) for kind in silences(text)] == wanted


def test_a_pipe_is_told_by_the_statement_that_holds_it() -> None:
    text = "set -x\n(cd src && mypy .) | tee log\necho a | cat; echo b"
    command = only(text)

    (silencer,) = command.script.silencers(command)

    assert text[silencer.start : silencer.end] == "(cd src && mypy .) | tee log"
    assert sorted(text[start:end] for start, end in command.script.pipelines) == [
        "(cd src && mypy .) | tee log",
        "echo a | cat",
    ]


@pytest.mark.parametrize(
    ("text", "guard"),
    [
        ("[ -f mypy.ini ] && mypy .", "[ -f mypy.ini ]"),
        ("[[ -n $X ]] && mypy . || true", "[[ -n $X ]]"),
        ("command -v mypy >/dev/null && mypy . && echo ok", "command -v mypy"),
        ("cd src && test -f x && { mypy .; }", ""),
        ("cd src && test -f x && mypy .", "test -f x"),
        ("cd src && mypy .", ""),
        ("[ -f skip ] || mypy .", ""),
        ("mypy . && [ -f log ]", ""),
    ],
)
def test_the_test_that_decides_whether_a_command_runs_is_known(text: str, guard: str) -> None:
    assert only(text).guard == guard


def test_the_last_statement_of_a_sequence_is_known() -> None:
    assert only("echo a\nmypy . || true # why").last
    assert only("if a; then mypy .; fi\necho b").last
    assert not only("mypy . || true\necho b").last


def test_the_shell_decides_what_a_pipe_and_a_later_statement_mean() -> None:
    assert silences("mypy . | tee log", PIPEFAIL) == []
    assert silences("mypy . ; true", CARELESS) == [Silence.ERREXIT]
    assert silences("mypy .", CARELESS) == []


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("mypy . || true", "mypy ."),
        ("mypy . \\\n  --strict \\\n  || true\necho", "mypy . \\\n  --strict\necho"),
        ("mypy . > log 2>&1 || echo bad >&2", "mypy . > log 2>&1"),
        ("cd src && mypy . || true && echo ok", "cd src && mypy . && echo ok"),
        ("mypy . ||\n  true", "mypy ."),
    ],
)
def test_what_silences_by_or_can_be_cut_out(text: str, left: str) -> None:
    command = only(text)
    silencer = command.script.silencers(command)[0]

    assert text[: silencer.start] + text[silencer.end :] == left


def _wrapped(inner: str, kind: str) -> str:
    group = f"{{ {inner}\n}}" if any(part in inner for part in ("\n", "&&", "||", "|")) else inner
    return {
        "or": f"{group} || echo bad",
        "or true": f"{group} || true",
        "or exit": f"{group} || exit 1",
        "or false": f"{group} || false",
        "right of or": f"false || {group}",
        "and": f"{group} && echo ok",
        "right of and": f"true && {group}",
        "group": f"{{ {inner}\n}}",
        "group that goes on": f"{{ {inner}\necho after\n}}",
        "subshell": f"( {inner}\n)",
        "subshell that goes on": f"( {inner}\n:\n)",
        "if": f"if true; then\n{inner}\nfi",
        "elif": f"if false; then :; elif true; then\n{inner}\nelse :; fi",
        "case": f"case a in *) {inner}\n;; esac",
        "pipe": f"{group} | tee /dev/null",
        "end of pipe": f"true | {group}",  # writes nothing: what nobody reads could end it with SIGPIPE
        "before": f"{inner}\necho after",
        "after": f"echo before\n{inner}",
        "set +e": f"set +e\n{inner}",
        "pipefail": f"set -o pipefail\n{inner}",
    }[kind]


KINDS = [
    *("or", "or true", "or exit", "or false", "right of or", "and", "right of and", "if", "elif", "case", "pipe"),
    *("group", "group that goes on", "subshell", "subshell that goes on", "end of pipe", "before", "after"),
    *("set +e", "pipefail"),
]


@pytest.fixture(scope="module")
def failing_checker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bin")
    (folder / "mypy").write_text("#!/bin/sh\nexit 1\n")
    (folder / "mypy").chmod(0o755)
    return folder


def _status(text: str, shell: Shell, folder: Path) -> int:
    started = ["bash", *(["-e"] if shell.errexit else []), *(["-o", "pipefail"] if shell.pipefail else []), "-c", text]
    path = f"{folder}:{os.environ['PATH']}"
    return subprocess.run(started, env={"PATH": path}, capture_output=True, check=False).returncode


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kinds=st.lists(st.sampled_from(KINDS), max_size=4), shell=st.sampled_from([Shell(), PIPEFAIL, CARELESS]))
def test_bash_fails_exactly_where_nothing_silences_the_failure(
    kinds: list[str], shell: Shell, failing_checker: Path
) -> None:
    text = "mypy ."
    for kind in kinds:
        text = _wrapped(text, kind)
    found = silences(text, shell)

    if Silence.HANDLED not in found:
        assert (_status(text, shell, failing_checker) == 0) == bool(found), text


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kinds=st.lists(st.sampled_from(KINDS), min_size=1, max_size=3))
def test_bash_fails_once_every_silencer_is_cut_out(kinds: list[str], failing_checker: Path) -> None:
    text = "mypy ."
    for kind in kinds:
        text = _wrapped(text, kind)
    before = text
    for _ in range(6):
        command = only(text)
        found = command.script.silencers(command)
        if not found or found[0].kind not in (Silence.OR, Silence.AND):
            break
        text = text[: found[0].start] + ("\n" if found[0].kind == Silence.AND else "") + text[found[0].end :]

    if not found:
        assert _status(text, Shell(), failing_checker) != 0, f"{before}\n->\n{text}"


# -- which scripts are read -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "wanted"),
    [
        ("", Shell()),
        ("bash", PIPEFAIL),
        ("sh", Shell(posix=True)),
        ("bash {0}", CARELESS),
        ("bash -l {0}", CARELESS),
        ("bash -el {0}", Shell()),
        ("bash --noprofile --norc -leo pipefail {0}", PIPEFAIL),
        ("/bin/bash -e -o pipefail {0}", PIPEFAIL),
        ("pwsh", None),
        ("python", None),
        ("cmd", None),
        ("${{ matrix.shell }}", None),
    ],
)
def test_the_shell_of_a_step_is_known_by_its_setting(setting: str, wanted: Shell | None) -> None:
    assert Shell.named(setting) == wanted


def test_a_step_is_read_only_where_a_shell_reads_it() -> None:
    workflow = Workflow.parse(
        Source(
            ".github/workflows/ci.yml",
            "on: push\n"
            "jobs:\n"
            "  a:\n"
            "    runs-on: windows-2025\n"
            "    steps:\n"
            "      - run: mypy . || true\n"
            "      - run: mypy . || true\n"
            "        shell: bash\n"
            "  b:\n"
            "    runs-on: ubuntu-latest\n"
            "    steps:\n"
            "      - uses: actions/checkout@v6\n"
            "      - run: mypy .\n"
            "      - run: import mypy\n"
            "        shell: python\n",
        )
    )

    assert [step.script and step.script.shell for step in workflow.steps] == [
        None,
        PIPEFAIL,
        None,
        Shell(),
        None,
    ]


def test_no_separator_is_wanted_between_the_end_of_a_compound_command_and_a_brace() -> None:
    script = Script.parse('warn() { if [ "$quiet" = 0 ]; then echo "a fi }" >&2; fi }\nmypy .\n')

    assert not script.error
    assert [word.text for command in script.commands for word in command.args] == ["a fi }", "."]


def test_what_the_grammar_cannot_follow_says_where_and_has_no_commands() -> None:
    script = Script.parse("echo a\nif true; then\n  mypy . || true\n")

    assert script.error.startswith("line ")
    assert script.commands == ()
    assert script.assignments == {}


# -- making words -------------------------------------------------------------------------------------------------

NAMES = st.text(st.sampled_from("ab /-~$`\"'\\!*?[]{}()<>|&;#=%@:,.^é"), min_size=1, max_size=8)


@settings(max_examples=60, deadline=None)
@given(st.lists(NAMES, min_size=1, max_size=40))
@example(["==", ":", ":)"])
def test_bash_and_the_parser_read_a_made_word_as_the_text_that_it_was_made_of(names: list[str]) -> None:
    names = [name for name in names if "${{" not in name] or ["a"]
    made = [word(name) for name in names]
    quoted = [f'"{in_quotes(name)}"' for name in names]
    script = f"printf '%s\\n' {' '.join(map(str, made))}\nprintf '%s\\n' {' '.join(quoted)}\n"

    found = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True).stdout.splitlines()

    assert found == [*names, *names]
    parsed = Script.parse(script)
    assert not parsed.error
    assert [each.text for command in parsed.commands for each in command.args[1:]] == [*names, *names]


def test_a_path_is_no_option_and_a_plain_one_stays_as_it_is() -> None:
    assert path_word("apps/api") == "apps/api"
    assert path_word("-rf") == "./-rf"
    assert path_word("we ird $(touch x)/tests") == "'we ird $(touch x)/tests'"


@pytest.mark.parametrize("name", ["a\nb", "a\tb", "\x1b[31m", "x${{ github.token }}", "a\u2028b"])
def test_what_no_script_of_a_workflow_can_hold_is_refused(name: str) -> None:
    for make in (word, path_word, in_quotes):
        assert isinstance(make(name), Blocked)


# -- leaving commands out -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("pip install x\nflake8 .\n", "pip install x\n"),
        ("pip install x\n# stop at errors\n# of syntax\nflake8 . --count\nblack .", "pip install x"),
        ("pip install x && flake8 .\n", "pip install x\n"),
        ("cd app && flake8 . && pip install x", "cd app && pip install x"),
        ("flake8 . && pip install x", "pip install x"),
        ("cd app && flake8 .\npip install x", "pip install x"),
        ("if [ -f setup.cfg ]; then\n  flake8 .\nfi\npip install x", "pip install x"),
        ("if [ -f r.txt ]; then pip install -r r.txt; flake8 .; fi", None),
        ("flake8 . \\\n  --count\npip install x", "pip install x"),
        ("flake8 .; pip install x", "pip install x"),
        ("pip install x\nflake8 . &", "pip install x"),
        ("pip install x\nnohup flake8 . > log &\n", "pip install x\n"),
        ("flake8 . & pip install x", "pip install x"),
        ("FOUND=$(flake8 .)\npip install x", None),
        ("# why\npip install x  # flake8 .", None),
    ],
)
def test_statements_that_only_run_what_is_not_wanted_are_left_out(text: str, left: str | None) -> None:
    found = Script.parse(text).without(lambda command: command.name in ("flake8", "black"))

    assert found == (text if left is None else left)
    assert not Script.parse(found).error


@pytest.mark.parametrize("end", ["\\", "\\\n", "\\\n\n", "\\\r\n"])
def test_a_line_that_the_end_continues_is_read(end: str) -> None:
    command = only(f"set -e\nmypy . \\\n  --strict {end}")
    assert [each.text for each in command.args] == [".", "--strict"]
