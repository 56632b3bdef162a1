"""What a program in a container needs root for, as far as its shell code tells; and which users a script makes."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping

from fixer.languages.dockerfile import expanded
from fixer.languages.shell import Command, Script, Structure
from fixer.languages.tables import natural
from fixer.records import record

# Programs that work only as root, or that change to another user.
_CHANGE_USER = frozenset(("gosu", "su-exec", "setpriv", "runuser", "su", "start-stop-daemon", "chroot", "s6-setuidgid"))
_NEEDS_ROOT = frozenset((
    "addgroup", "adduser", "apache2", "apache2-foreground", "apachectl", "apk", "apt", "apt-get", "chgrp", "chown",
    "chronyd", "cron", "crond", "dnf", "dnsmasq", "dockerd", "dpkg", "groupadd", "groupmod", "haproxy", "httpd",
    "ip6tables", "iptables", "keepalived", "ldconfig", "microdnf", "mount", "my_init", "named", "nginx", "nmbd", "ntpd",
    "openvpn", "postfix", "proftpd", "pure-ftpd", "rsyslogd", "runsvdir", "s6-svscan", "service", "smbd", "sshd",
    "sudo", "supervisord", "sysctl", "systemctl", "systemd", "tailscaled", "umount", "update-ca-certificates",
    "useradd", "usermod", "vsftpd", "wg-quick", "yum",
))  # fmt: skip
# Servers that are told to change to another user.
_USER_OPTIONS_OF = {
    "gunicorn": ("-u", "--user", "-g", "--group"), "hypercorn": ("-u", "--user", "-g", "--group"),
    "uwsgi": ("--uid", "--gid"), "celery": ("--uid", "--gid"), "memcached": ("-u",),
}  # fmt: skip
# Short options with a file that is written, which mean other things elsewhere.
_FILE_OPTIONS_OF = {
    "gunicorn": ("-p",), "celery": ("-f", "-s"), "pip": ("-t", "--target"), "pip3": ("-t", "--target"),
}  # fmt: skip
# Servers that keep their data in folders of their own user.
_OWN_FOLDERS = frozenset(("mariadbd", "mongod", "mysqld", "mysqld_safe", "postgres", "rabbitmq-server", "redis-server"))
# Options of useradd and adduser that take a value. In Debian's adduser and in busybox -G and -g differ, but both do;
# -S, -D, -H, -r, -m do not.
_USER_OPTIONS = re.compile(
    r"^(-[ugGdscbkKpefhZ]|--(uid|gid|groups|home|home-dir|shell|comment|gecos|ingroup|base-dir|skel|key|password|"
    r"firstuid|lastuid|expiredate|inactive))$"
)
_INSTALLS = {
    "pip": ("install",), "pip3": ("install",), "poetry": ("install", "add"), "pipenv": ("install", "sync"),
    "npm": ("ci", "install", "i"), "yarn": ("install", "add"), "pnpm": ("install", "i", "add"), "gem": ("install",),
    "bundle": ("install",), "composer": ("install",),
}  # fmt: skip
_FILE_OPTION = re.compile(
    r"--?(?:access-?log(?:file|-file)?|error-?log(?:file|-file)?|log-?file|logfile|log-path|pid|pid-?file|uds|unix-socket"
    r"|socket|chdir-log|data-?dir|dbpath|tmp-upload-dir|logto2?|daemonize2?|stats|schedule|statedb"
    r"|log-?dir|db|database|db-?file|db-?path|cache-?dir|upload-?dir|output-?dir|storage)(?:=(.*))?"
)
_DISPLAYS = frozenset(("Xorg", "Xvfb", "Xvnc", "x11vnc", "xvfb-run"))
"""Programs that call a display `:99`, which is no port."""
_LISTENS = frozenset(("bind", "http", "https", "http-socket", "https-socket", "socket", "uwsgi-socket"))
_WRITES = frozenset(("chmod", "cp", "install", "ln", "mkdir", "mv", "rm", "rsync", "tee", "touch", "truncate"))
_PORT = re.compile(r"(?:--?[\w-]+=)?(?:tcp:|http:|socket:)?(?://)?(?:[\d.]{7,15}|localhost|\[::\]|\*)?:(\d{1,5})")
_PORT_OPTION = re.compile(r"^(?:--(?:http-|server-|listen-)?port|-p|-P)(?:=(\d{1,5}))?$")


@record
class User:
    """A user that is there, or that a Dockerfile makes. `group` is empty where it is not known."""

    name: str
    group: str = ""
    id: str = ""
    home: bool = True
    said: str = ""
    """Its number as a variable says it, where whoever builds the image may say another."""

    @property
    def owner(self) -> str:
        return f"{self.name}:{self.group}" if self.group else self.name

    @property
    def numeric(self) -> str:
        """`uid:gid` where the number is known, else the names."""
        return f"{self.id}:{self.id}" if self.id else self.owner


def needs_root(commands: Iterable[Command], writable: Iterable[str], values: Mapping[str, str | None] = {}) -> str:
    """Why these commands must run as root, as a clause; empty where nothing says so. `writable` are folders that the
    process may write to, `values` are those of the container's variables."""
    folders = tuple(writable)
    for command in commands:
        known = _with_assignments(command.script, values)
        if reason := _needs_root(command, folders, known):
            return reason
    return ""


def _with_assignments(script: Script, values: Mapping[str, str | None]) -> Mapping[str, str | None]:
    new = {command.assigned_to: command for command in script.commands if command.name == "mktemp"}
    for name, word in script.assignments.items():
        made = new.get(name)
        is_new = made is not None and word.text.startswith(f"$({made.source}")
        values = {**values, name: _expanded(_made_new(made) if made is not None and is_new else word.text, values)}
    return values


def _made_new(command: Command) -> str:
    """The place of the file or folder that mktemp makes."""
    folder = command.value("-p", "--tmpdir")
    last = command.args[-1].text if command.args else ""
    return folder.text if folder is not None else last if "/" in last else "/tmp/new"


def _expanded(text: str, values: Mapping[str, str | None]) -> str | None:
    """What a word of a script says, None where it is computed. The working folder is `.`, and home `~`."""
    return expanded(text.replace("$(pwd)", "$PWD").replace("`pwd`", "$PWD"), {"PWD": ".", "HOME": "~", **values})


def _needs_root(command: Command, folders: tuple[str, ...], values: Mapping[str, str | None]) -> str:
    starters = command.words[: len(command.words) - len(command.argv) + 1]
    leading = {posixpath.basename(name) for name in (command.name, *(word.text for word in starters))}
    if changes := leading & _CHANGE_USER:
        return f"`{changes.pop()}` changes to another user by itself, for which it must start as root"
    if root := leading & _NEEDS_ROOT:
        return f"`{root.pop()}` must run as root"
    is_reaper = command.name in ("tini", "dumb-init", "catatonit")
    if re.match(r"/(usr/)?sbin/|/init$", command.argv[0].text) and not is_reaper:
        return f"`{command.argv[0].text}` is a daemon of the system, whose files belong to root"
    if command.has(*_USER_OPTIONS_OF.get(command.name, ())):
        return f"`{_short(command.source)}` changes to another user by itself, for which it must start as root"
    if own := leading & _OWN_FOLDERS:
        return f"`{own.pop()}` keeps its data in folders that belong to another user"
    verb = next((word.text for word in command.args if not word.text.startswith("-")), "")
    folder = command.value("-t", "--target") if command.name in ("pip", "pip3") else None
    elsewhere = folder is not None and folder.text.startswith("/")
    if verb in _INSTALLS.get(command.name, ()) and not elsewhere:
        return f"`{_short(command.source)}` installs packages when the container starts, into folders of root"
    for path in (_expanded(word, values) or word for word in _named(command)):
        if _is_closed(path, folders):
            return f"`{_short(command.source)}` writes to {path}, which belongs to root"
    for place in (each for word in _written(command) for each in _places(word, command.script, values)):
        if place is None:
            return f"`{_short(command.source)}` writes to a folder that is computed at start"
        if _is_closed(place, folders):
            return f"`{_short(command.source)}` writes to {place}, which belongs to root"
    return ""


def _places(word: str, script: Script, values: Mapping[str, str | None]) -> Iterator[str | None]:
    """What a written word can mean, one for each turn of its loop: as much as is known from its start, up to the first
    name in it that is computed; None where that is the first of all."""
    loop = next((name for name in script.loop_values if re.search(rf"\$\{{?{name}\b", word)), None)
    turns = [each.text for each in script.loop_values[loop]] if loop is not None else [None]
    for turn in turns:
        given = values if loop is None or turn is None else {**values, loop: _expanded(turn, values)}
        known, rest = _expanded(word, given), word
        while known is None and "/" in rest:
            rest = rest.rpartition("/")[0]
            known = _expanded(rest, given)
        yield "/" if known == "" and word.startswith("/") else known


def keeps_schedule(command: Command) -> bool:
    """Whether celery's beat writes to the folder where it starts.

    https://docs.celeryq.dev/en/stable/userguide/periodic-tasks.html#starting-the-scheduler
    """
    starts = any(word.text == "beat" for word in command.args) or command.has("-B", "--beat")
    return command.name == "celery" and starts and not command.has("-s", "--schedule", "-S", "--scheduler")


def settings_need_root(text: str, writable: Iterable[str]) -> str:
    """The same for a file that sets up uwsgi (`name = value`) or gunicorn (assignments)."""
    folders = tuple(writable)
    for name, value in re.findall(r"^[ \t]*([\w-]+)[ \t]*=[ \t]*[\"']?([^\"'\s#;]+)", text, re.MULTILINE):
        said = f"`{name} = {_short(value)}`"
        if name in ("uid", "gid", "user", "group") and value != "None":
            return f"{said} changes to another user, for which it must start as root"
        if name in _LISTENS and (port := low_port((value,))):
            return f"{said} listens on port {port}, which outside of Docker's own engine only root may"
        path = value.removeprefix("unix:")
        if (name in _LISTENS or _FILE_OPTION.fullmatch(f"--{name}")) and _is_closed(path, folders):
            return f"{said} writes to {path}, which belongs to root"
    return ""


def _is_closed(path: str, folders: tuple[str, ...]) -> bool:
    open_to_it = (*folders, "/tmp", "/dev", "/proc", "/var/tmp")
    return path.startswith("/") and not is_within(posixpath.normpath(path), open_to_it)


# Words in the names of variables with the port of another server, which a program reaches.
_ELSEWHERE = (
    "AMQP", "BROKER", "CACHE", "DB", "DATABASE", "ELASTIC", "EMAIL", "FTP", "IMAP", "KAFKA", "LDAP", "MAIL", "MEMCACHE",
    "MONGO", "MQTT", "MYSQL", "PG", "POP", "POSTGRES", "PROXY", "RABBIT", "REDIS", "REMOTE", "SFTP", "SMTP", "SQL",
    "SSH", "STATSD", "SYSLOG", "UPSTREAM",
)  # fmt: skip


def names_its_port(variable: str) -> bool:
    """Whether a variable is called as if it gave the port on which the program itself listens."""
    *words, last = variable.upper().split("_")
    return last == "PORT" and not any(word.startswith(_ELSEWHERE) for word in words)


def low_port(words: Iterable[str]) -> int | None:
    """The first port below 1024 that a command is told to listen on."""
    given = list(words)
    if given and posixpath.basename(given[0]) in _DISPLAYS:
        return None
    for at, word in enumerate(given):
        if option := _PORT_OPTION.match(word):
            value = option[1] or (given[at + 1] if at + 1 < len(given) else "")
            if 0 < (port := natural(value) or 0) < 1024:
                return port
        found = _PORT.fullmatch(word)
        if found and 0 < int(found[1]) < 1024:
            return int(found[1])
    return None


def users_made(script: Script, values: Mapping[str, str | None]) -> Iterator[User]:
    """Users that useradd and adduser make here; those whose name is not known are left out."""
    for command in script.commands:
        if command.name not in ("useradd", "adduser"):
            continue
        name = next(iter(_operands(command, values)), None)
        if not name or not re.fullmatch(r"[\w.-]+", name):
            continue
        given = command.value("--gid", "-g") if command.name == "useradd" else command.value("--ingroup", "-G", "--gid")
        group = expanded(given.text, values) if given else ""
        if not given and not command.has("-N", "--no-user-group"):
            # Both make a group of the same name, except busybox for a system user.
            group = "" if command.name == "adduser" and command.has("-S", "--system") else name
        uid = command.value("--uid", "-u")
        number = (expanded(uid.text, values) or "") if uid else ""
        if command.name == "useradd":
            home = command.has("-m", "--create-home")
        else:
            home = not command.has("-H", "--no-create-home")
        said = uid.text if uid is not None and "$" in uid.text else ""
        yield User(name, (group or "").split(",")[0], number, home, said)


def folders_made(
    script: Script, values: Mapping[str, str | None], start: str, *, surely: bool = False
) -> Iterator[str]:
    """Folders that mkdir and `install -d` make, absolute; `start` is where the script runs. `surely` leaves out those
    that depend on a condition, and `{a,b}`, of which only bash makes two."""
    folder: str | None = start
    for command in script.commands:
        if command.name == "cd":
            target = expanded(command.args[0].text, values) if command.args else None
            folder = posixpath.join(folder, target) if folder is not None and target else None
        if command.name != "mkdir" and not (command.name == "install" and command.has("-d", "--directory")):
            continue
        if surely and command.within(Structure.BRANCH, Structure.LOOP, Structure.FUNCTION):
            continue
        for word in command.args:
            path = expanded(word.text, values)
            if surely and path and "{" in path:
                continue
            if path and not path.startswith("-") and not path.isdigit() and folder is not None:
                yield from (posixpath.normpath(posixpath.join(folder, item)) for item in _braces(path))


def is_within(path: str, folders: Iterable[str]) -> bool:
    return any(path == folder or path.startswith(folder.rstrip("/") + "/") for folder in folders)


def _operands(command: Command, values: Mapping[str, str | None]) -> Iterator[str | None]:
    waiting = False
    for word in command.args:
        if waiting:
            waiting = False
        elif word.text.startswith("-"):
            # A cluster takes a value if its last letter does: -rg app.
            last = word.text if word.text.startswith("--") else "-" + word.text[-1]
            waiting = _USER_OPTIONS.match(last) is not None
        else:
            yield expanded(word.text, values)


def _named(command: Command) -> Iterator[str]:
    """The files that options of a server or worker name for what it writes."""
    words = [word.text for word in command.args]
    for at, word in enumerate(words):
        if option := _FILE_OPTION.fullmatch(word):
            yield option[1] if option[1] is not None else words[at + 1] if at + 1 < len(words) else ""
        if found := re.fullmatch(r"(?:--?[\w-]+=)?unix:(?://)?(/.+)", word):
            yield found[1]
    if file := command.value(*_FILE_OPTIONS_OF.get(command.name, ())):
        yield file.text


def _written(command: Command) -> Iterator[str]:
    """What a command writes to: its redirections, and what it makes, changes or removes itself."""
    for redirect in command.redirects:
        if ">" in redirect.operator:
            yield redirect.target
    in_place = command.name in ("sed", "perl") and any(re.match(r"-[a-zA-Z]*i", word.text) for word in command.args)
    if command.name in ("cp", "mv", "ln", "rsync", "install") and command.args:
        into = command.value("-t", "--target-directory") if command.name != "rsync" else None
        yield into.text if into is not None else command.args[-1].text
    elif in_place:
        yield from _edited(command)
    elif command.name in _WRITES:
        yield from (word.text for word in command.args if not word.text.startswith("-"))


def _edited(command: Command) -> Iterator[str]:
    """The files that sed and perl change in place, without the code that changes them."""
    words = [word.text for word in command.args]
    code = ("-e", "--expression", "-f", "--file") if command.name == "sed" else ("-e", "-E")
    given = {at + 1 for at, word in enumerate(words) if word in code or re.fullmatch(r"-[a-zA-Z]+[eE]", word)}
    files = [word for at, word in enumerate(words) if at not in given and not word.startswith("-")]
    yield from files if given or command.has("--expression", "--file") else files[1:]


def _braces(path: str) -> Iterator[str]:
    """`/data/{a,b}` as two paths."""
    found = re.search(r"\{([^{}]*,[^{}]*)\}", path)
    if found is None:
        yield path
        return
    for item in found[1].split(","):
        yield from _braces(path[: found.start()] + item + path[found.end() :])


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 60 else line[:57] + "…"
