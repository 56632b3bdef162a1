"""The scripts of the fixtures, executed before and after on a real server: what fails is seen, and nothing is lost.

What the scripts were before is the fault that each of these tests must see.
"""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.components import path as component
from tests.fixture_cases import FIXTURES
from tests.proofs.postgres import DATABASE, PASSWORD, USER, Server, postgres

pytestmark = pytest.mark.needs("postgres")

DOCKER = '#!/bin/sh\n[ "$1" = compose ] && shift\nshift 3\nexec "$@"\n'  # docker compose exec -T db …
SUDO = '#!/bin/sh\nshift 2\nPGUSER=postgres PGHOST="$SOCKETS" exec "$@"\n'  # sudo -u postgres …
RCLONE = '#!/bin/sh\ncp "$2" "$BOX"\n'
SIDES = ("before", "after")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with postgres() as found:
        yield found


@pytest.fixture(autouse=True)
def _filled(server: Server) -> None:
    server.ask("DROP OWNED BY app; CREATE TABLE entry (id int primary key, note text); ALTER TABLE entry OWNER TO app")
    server.ask("GRANT ALL ON SCHEMA public TO app")
    server.ask(
        "INSERT INTO entry SELECT i, md5(i::text) || repeat(md5((i * 7)::text), 4) FROM generate_series(1, 20000) i"
    )


@dataclass(frozen=True)
class Machine:
    """Where scripts run: `kept` is their folder of backups, with two old ones in it, `box` is far away."""

    folder: Path
    server: Server
    side: str

    @property
    def kept(self) -> Path:
        return self.folder / "kept"

    def run(
        self,
        script: str,
        *words: str,
        password: str = PASSWORD,
        without: str = "",
        replaced: tuple[str, str] = ("", ""),
    ) -> subprocess.CompletedProcess[str]:
        """One script of a fixture, `case/path`, on this side."""
        case, _, path = script.partition(":")
        source = FIXTURES / case / self.side / path
        if not source.exists():  # one that the rule left as it was
            source = FIXTURES / case / "before" / path
        text = source.read_text(encoding="utf-8").replace("/backup", str(self.kept)).replace(*replaced)
        file = self.folder / source.name
        file.write_text(text, encoding="utf-8")
        given = {
            "PATH": self.programs(without),
            "DATABASE_URL": f"postgres://{USER}:{password}@127.0.0.1:{self.server.port}/{DATABASE}",
            "PGHOST": "127.0.0.1", "PGPORT": str(self.server.port), "PGUSER": USER, "PGPASSWORD": password,
            "SOCKETS": str(self.server.folder), "BOX": str(self.folder / "box"),
            "PGDATABASE": DATABASE, "KEEP": str(self.kept),
        }  # fmt: skip
        shell = "sh" if text.startswith("#!/bin/sh") else "bash"
        return subprocess.run(
            [shell, str(file), *words], env=given, cwd=self.folder, capture_output=True, text=True, timeout=60
        )

    def programs(self, without: str) -> str:
        """A folder of programs, one of them missing."""
        folder = self.folder / "bin"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        beside = Path(component("postgres")).parent
        for name in ("pg_dump", "psql"):
            (folder / name).symlink_to(beside / name)
        for name in (
            "bash", "sh", "cat", "cp", "date", "find", "grep", "gunzip", "gzip", "head", "ls", "mkdir", "mv", "rm",
            "tail", "xargs", "zcat",
        ):  # fmt: skip
            (folder / name).symlink_to(str(shutil.which(name)))
        for name, text in (("docker", DOCKER), ("rclone", RCLONE), ("sudo", SUDO)):
            (folder / name).write_text(text, encoding="utf-8")
            (folder / name).chmod(0o755)
        if without:
            (folder / without).unlink()
        return str(folder)

    def backups(self) -> list[str]:
        """The files that a restore could take: what has the name of a whole one."""
        return sorted(each.name for each in self.kept.iterdir() if each.suffix != ".partial")


@pytest.fixture(params=SIDES)
def machine(request: pytest.FixtureRequest, server: Server, tmp_path: Path) -> Machine:
    made = Machine(tmp_path, server, request.param)
    made.kept.mkdir()
    (tmp_path / "box").mkdir()
    for name in ("shop-1.sql.gz", "app-1.sql.gz", "old.dump"):
        (made.kept / name).write_bytes(gzip.compress(b"old"))
        os.utime(made.kept / name, (0, 0))
    return made


OLD = ["app-1.sql.gz", "old.dump", "shop-1.sql.gz"]
NIGHTLY = "silent-backup-failure/warns-where-pg-dump-is-missing:ops/nightly.sh"
GOES_ON = "silent-backup-failure/goes-on-after-a-failure:scripts/backup.sh"
FIRST = "silent-backup-failure/deletes-first:scripts/backup.sh"
LOOKS_INTO = "silent-backup-failure/pipes-that-break:looks-into-it.sh"
ASKED = "silent-backup-failure/functions-that-are-asked:asked-by-if.sh"
SEVERAL = "silent-backup-failure/several-databases:bin/dump-all"


def test_no_dump_without_pg_dump_and_then_nothing_is_deleted(machine: Machine) -> None:
    done = machine.run(NIGHTLY, without="pg_dump")

    if machine.side == "before":
        assert (done.returncode, machine.backups()) == (0, ["app-1.sql.gz", "old.dump"])
        assert "all is backed up" in done.stdout
    else:
        assert (done.returncode, machine.backups()) == (1, OLD)
        assert "all is backed up" not in done.stdout


def test_a_dump_that_fails_has_not_the_name_of_a_good_one(machine: Machine) -> None:
    done = machine.run(NIGHTLY, password="wrong")

    assert done.returncode == 1
    assert (machine.backups() == OLD) == (machine.side == "after")


def test_a_dump_that_is_whole_has_its_name(machine: Machine) -> None:
    done = machine.run(NIGHTLY)

    assert done.returncode == 0, done.stderr
    (new,) = [each for each in machine.kept.iterdir() if each.name not in OLD]
    assert gzip.decompress(new.read_bytes()).count(b"\n") > 20000
    assert "shop-1.sql.gz" not in machine.backups(), "it is older than a week"


def test_a_reader_that_goes_first_ends_no_script(machine: Machine) -> None:
    """`zcat | head` fails under pipefail, where `set +o pipefail` is not written behind the dump."""
    done = machine.run(LOOKS_INTO, replaced=("pg_dump shop", "pg_dump"))

    assert done.returncode == 0, done.stderr
    assert machine.run(LOOKS_INTO, replaced=("pg_dump shop", "pg_dump"), password="wrong").returncode == 1


def test_where_errexit_is_off_a_failed_dump_gets_no_name(machine: Machine) -> None:
    done = machine.run(ASKED, password="wrong", replaced=("pg_dump shop", "pg_dump"))

    assert done.returncode == 1
    assert ("shop.sql" in machine.backups()) == (machine.side == "before")


def test_a_script_does_not_go_on_after_a_dump_that_failed(machine: Machine) -> None:
    done = machine.run(GOES_ON, password="wrong")

    failed = machine.side == "after"
    assert (done.returncode != 0) == failed
    assert ("Backup done" in done.stdout) != failed
    assert ("app-1.sql.gz" in machine.backups()) == failed
    assert (list((machine.folder / "box").iterdir()) == []) == failed


def test_it_goes_on_after_a_dump_that_succeeded(machine: Machine) -> None:
    done = machine.run(GOES_ON)

    (sent,) = (machine.folder / "box").iterdir()
    assert done.returncode == 0, done.stderr
    assert gzip.decompress(sent.read_bytes()).count(b"\n") > 20000
    assert "app-1.sql.gz" not in machine.backups()


def test_one_database_that_fails_holds_no_other_back_and_keeps_the_older_ones(machine: Machine) -> None:
    for name in ("shop", "mail"):  # there is no `stock`
        machine.server.ask(f'DROP DATABASE IF EXISTS "{name}"')
        machine.server.ask(f'CREATE DATABASE "{name}" OWNER app')

    done = machine.run(SEVERAL)

    failed = machine.side == "after"
    assert (done.returncode != 0) == failed
    assert ("old.dump" in machine.backups()) == failed
    assert all((machine.kept / f"{name}.dump").stat().st_size > 500 for name in ("shop", "mail"))


# -- restores -----------------------------------------------------------------------------------------------------

CASE = "partial-restore/a-dump-through-gunzip"
PLAIN = "partial-restore/a-plain-file-by-its-name"


def dumped(machine: Machine) -> Path:
    done = machine.run(f"{CASE}:ops/nightly.sh")
    assert done.returncode == 0, done.stderr
    (file,) = machine.kept.glob("*.partial")
    file.rename(whole := machine.folder / "dump.sql.gz")
    return whole


def rows(server: Server) -> tuple[str, str]:
    return server.ask("SELECT count(*) FROM entry"), server.ask("SELECT count(*) FROM entry WHERE note = 'changed'")


def test_a_restore_brings_back_all_rows(machine: Machine, server: Server) -> None:
    file = dumped(machine)
    server.ask("UPDATE entry SET note = 'changed' WHERE id <= 1000; DELETE FROM entry WHERE id > 19000")

    done = machine.run(f"{CASE}:ops/restore.sh", str(file))

    assert done.returncode == 0, done.stderr
    assert rows(server) == (("20000", "0") if machine.side == "after" else ("19000", "1000"))
    assert "restored" in done.stdout, "before, it said so too"


@pytest.mark.parametrize("part", [0.3, 0.7, 0.999])
def test_a_dump_that_was_cut_off_changes_nothing(machine: Machine, server: Server, part: float) -> None:
    file = dumped(machine)
    data = file.read_bytes()
    file.write_bytes(data[: int(len(data) * part)])
    if machine.side == "before":
        server.ask("DROP TABLE entry")

    done = machine.run(f"{CASE}:ops/restore.sh", str(file))

    assert done.returncode == 1
    if machine.side == "after":
        assert rows(server) == ("20000", "0")
    else:
        assert server.ask("SELECT to_regclass('entry')") == "entry", "a part of it was restored"


OR_SAYS = " || { echo 'the dump is not whole' >&2; exit 1; }"
ASKS = """gzip -t "$file" &&
    gunzip -c "$file" | tail -n 20 | grep -q 'database dump complete' &&
    """


@pytest.mark.parametrize("machine", ["after"], indirect=True)
@pytest.mark.parametrize("script", [f"{CASE}:ops/restore.sh", f"{CASE}:ops/load.sh", f"{PLAIN}:scripts/restore.sh"])
def test_the_rows_of_half_a_dump_are_not_taken_for_all(machine: Machine, server: Server, script: str) -> None:
    """A whole archive of a dump that broke off within the rows: psql takes its end for theirs."""
    sql = gzip.decompress(dumped(machine).read_bytes())
    half = sql[: sql.index(b"\n", len(sql) // 2) + 1]
    (machine.folder / "half.sql.gz").write_bytes(gzip.compress(half))
    (machine.folder / "dump-half.sql").write_bytes(half)
    server.ask("UPDATE entry SET note = 'changed' WHERE id <= 1000")
    word, asks = {
        f"{CASE}:ops/restore.sh": (str(machine.folder / "half.sql.gz"), ASKS),
        f"{CASE}:ops/load.sh": ("half", f"tail -n 20 < \"dump-$1.sql\" | grep -q 'database dump complete'{OR_SAYS}\n"),
        f"{PLAIN}:scripts/restore.sh": (
            str(machine.folder / "dump-half.sql"),
            f"tail -n 20 < \"$FILE\" | grep -q 'database dump complete'{OR_SAYS}\n",
        ),
    }[script]

    done = machine.run(script, word)

    assert (done.returncode, rows(server)) == (1, ("20000", "1000"))
    assert "not whole" in done.stderr or "not restored" in done.stderr

    blind = machine.run(script, word, replaced=(asks, ""))

    assert blind.returncode == 0
    assert int(rows(server)[0]) < 20000


@pytest.mark.parametrize("machine", ["after"], indirect=True)
def test_an_archive_that_ends_between_two_statements_is_not_begun(machine: Machine, server: Server) -> None:
    """What psql cannot see is seen by gzip: the checksum is missing, and what is read ends with a statement."""
    sql = gzip.decompress(dumped(machine).read_bytes())
    file = machine.folder / "cut.sql.gz"
    file.write_bytes(gzip.compress(sql[: sql.index(b"\nCOPY")], 0)[:-8])
    server.ask("UPDATE entry SET note = 'changed' WHERE id <= 1000")

    done = machine.run(f"{CASE}:ops/restore.sh", str(file))

    assert done.returncode == 1
    assert rows(server) == ("20000", "1000")

    blind = machine.run(f"{CASE}:ops/restore.sh", str(file), replaced=(ASKS, ""))

    assert blind.returncode == 1, "too late: psql has ended its transaction well"
    assert rows(server) == ("0", "0")


@pytest.mark.parametrize("machine", ["after"], indirect=True)
def test_a_superuser_gives_everything_back_to_its_owner(machine: Machine, server: Server) -> None:
    """With `--no-owner` all of it would be the superuser's, and the application could not read it."""
    case, names = "partial-restore/as-the-superuser", ("shop >", f"{DATABASE} >")
    for more, owner in ((("", ""), "app"), (("--if-exists", "--if-exists --no-owner"), "postgres")):
        done = machine.run(f"{case}:backup.sh", replaced=names)
        assert done.returncode == 0, done.stderr
        (file,) = machine.kept.glob("*.part")
        if more[0]:
            done = machine.run(f"{case}:backup.sh", replaced=("--if-exists shop", f"{more[1]} {DATABASE}"))
            assert done.returncode == 0, done.stderr
        server.ask("UPDATE entry SET note = 'changed'")

        done = machine.run(f"{case}:restore.sh", str(file), replaced=("shop <", f"{DATABASE} <"))

        assert done.returncode == 0, done.stderr
        assert rows(server) == ("20000", "0")
        assert server.ask("SELECT tableowner FROM pg_tables WHERE tablename = 'entry'") == owner
    server.ask("ALTER TABLE entry OWNER TO app")


@pytest.mark.parametrize("machine", ["before"], indirect=True)
def test_a_dump_that_makes_the_database_restores_in_no_transaction(machine: Machine) -> None:
    """So it is left alone: with --single-transaction it would never restore."""
    case = "partial-restore/dumps-of-another-kind:whole"
    done = machine.run(f"{case}/backup.sh", replaced=("-U shop --create shop", f"--create {DATABASE}"))
    assert done.returncode == 0, done.stderr
    (file,) = machine.kept.glob("*.part")
    psql = "psql -v ON_ERROR_STOP=1 --single-transaction"

    done = machine.run(f"{case}/restore.sh", str(file), replaced=("psql -U shop postgres_shop", f"{psql} {DATABASE}"))

    assert done.returncode == 3
    assert "CREATE DATABASE cannot run inside a transaction block" in done.stderr


def test_older_backups_stay_where_the_new_one_fails(machine: Machine) -> None:
    machine.run(FIRST, password="wrong", replaced=("$FOLDER", str(machine.kept)))
    assert [each for each in OLD if each in machine.backups()] == ([] if machine.side == "before" else OLD)
    done = machine.run(FIRST, replaced=("$FOLDER", str(machine.kept)))
    assert done.returncode == 0, done.stderr
    (made,) = machine.backups()
    assert made.startswith("shop_")
