"""Health checks: `curl` and `wget` calls that ask whether a service answers, and the loops that wait for it.

The loops run in every POSIX shell. Their clock is `date +%s`, and every wait in them is `sleep`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import groupby

from fixer.languages.shell import Command, Script, Word
from fixer.model import Blocked
from fixer.records import record
from fixer.scripts import Quoted, ScriptText

_VALUED = frozenset("AbBcCdDeEFHKmoPQrtTuUwxXyYz")
"""curl's one-letter options that take a value."""
_VALUED_LONG = {
    *("--aws-sigv4", "--cacert", "--capath", "--cert", "--ciphers", "--config", "--connect-timeout", "--connect-to"),
    *("--cookie", "--cookie-jar", "--data", "--data-ascii", "--data-binary", "--data-raw", "--data-urlencode"),
    *("--dns-servers", "--doh-url", "--dump-header", "--expect100-timeout", "--form", "--header", "--interface"),
    *("--json", "--keepalive-time", "--key", "--limit-rate", "--max-filesize", "--max-redirs", "--max-time"),
    *("--noproxy", "--oauth2-bearer", "--output", "--output-dir", "--pinnedpubkey", "--proto", "--proxy"),
    *("--proxy-user", "--range", "--referer", "--request", "--resolve", "--retry", "--retry-delay"),
    *("--retry-max-time", "--speed-limit", "--speed-time", "--tls-max", "--unix-socket", "--upload-file", "--url"),
    *("--user", "--user-agent", "--write-out"),
}
_SENDS = {
    *("-d", "-F", "-T", "--data", "--data-ascii", "--data-binary", "--data-raw", "--data-urlencode", "--form"),
    *("--json", "--upload-file"),
}
_SAVES = {"-O", "--remote-name", "-J", "--remote-header-name", "--remote-name-all"}
_SAID_ANEW = {
    *("-f", "-s", "-S", "-v", "-i", "-o", "-w", "-X", "-m", "-#", "-N", "--fail", "--fail-with-body", "--silent"),
    *("--show-error", "--verbose", "--include", "--output", "--write-out", "--request", "--max-time", "--progress-bar"),
    *("--retry", "--retry-delay", "--retry-max-time", "--retry-all-errors", "--retry-connrefused", "--url"),
    *("--no-progress-meter", "--no-buffer", "--create-dirs"),
}
"""Options that a loop says itself, or that are about output; all others are kept."""
_LOCAL = re.compile(
    r"(https?://)?([^/@]*@)?(localhost|127\.\d+\.\d+\.\d+|0\.0\.0\.0|\[::1\]|host\.docker\.internal|[\w-]+\.(local|localhost)"
    r"|[a-z][\w-]*(?=:\d))(:[\d$]|/|$)|https?://[a-z][\w-]*(/|$)"
)
_OTHERS = re.compile(
    r"https?://([\w.-]*\.)?(api\.github\.com|raw\.githubusercontent\.com|slack\.com|discord(app)?\.com|telegram\.org"
    r"|pypi\.org|npmjs\.(org|com)|docker\.(io|com)|hc-ping\.com|healthchecks\.io|get\.\w+\.\w+)(/|$)"
    r"|\$\{?GITHUB_(?:API|SERVER|GRAPHQL)_URL"
)
"""Services of others: a request to them says nothing about what was deployed."""
_HEALTHY_PATH = re.compile(r"health|status|ready|readiness|liveness|alive|ping|heartbeat|\bup\b|/_?version|smoke")


@record
class HealthCheck:
    """One `curl` or `wget` call that fetches one URL and keeps nothing of it.

    `options` are those that the request needs (headers, certificates, redirects), as they are written. `fails` says
    that an HTTP error fails the command, `reads_status` that the script asks for the status code, `retries` that
    curl tries more than once by itself, also where the connection is refused; `retries_answers` that it does so only
    where something answers, or takes too long (`--retry` alone). `max_time` is the limit that the call has, as it is
    written.
    """

    command: Command
    url: Word
    options: tuple[Word, ...] = ()
    fails: bool = False
    reads_status: bool = False
    retries: bool = False
    retries_answers: bool = False
    max_time: str = ""

    @classmethod
    def of(cls, command: Command) -> HealthCheck | None:
        """None for a command that fetches nothing, sends something, saves what it gets, or asks for several URLs."""
        if command.name == "wget":
            return _wget(command)
        if command.name != "curl":
            return None
        given = list(_options(command.args))
        named = {name for name, _, _ in given}
        urls = [word for name, _, word in given if name in ("", "--url") and word is not None]
        method = next((word.text for name, _, word in given if name in ("-X", "--request") and word is not None), "GET")
        if len(urls) != 1 or method not in ("GET", "HEAD") or named & _SENDS or named & _SAVES:
            return None
        if _OTHERS.match(urls[0].text):
            return None
        reads_status = any(
            "http_code" in word.text or "response_code" in word.text
            for name, _, word in given
            if name in ("-w", "--write-out") and word is not None
        )
        kept_file = any(
            word is not None and word.text not in ("/dev/null", "-", "NUL") and not reads_status
            for name, _, word in given
            if name in ("-o", "--output")
        ) or any(
            redirect.operator in (">", ">>", "&>") and not redirect.target.startswith("/dev/")
            for redirect in command.redirects
        )
        if kept_file or _is_piped_into_a_program(command):
            return None
        fails = bool({"-f", "--fail", "--fail-with-body"} & named)
        if not (fails or reads_status or is_about_health(urls[0].text)):
            return None
        limit = next((word.text for name, _, word in given if name in ("-m", "--max-time") and word is not None), "")
        kept = [word for name, words, _ in given if name and name not in _SAID_ANEW for word in words]
        # https://curl.se/docs/manpage.html#--retry: "transient" is a time-out, or one of eight status codes.
        refusals = bool({"--retry-all-errors", "--retry-connrefused"} & named)
        retries = "--retry" in named
        return cls(
            command, urls[0], tuple(kept), fails, reads_status, retries and refusals, retries and not refusals, limit
        )

    @property
    def expects_success(self) -> bool:
        """Whether a healthy service answers with success here: false where the script compares with 4xx or 5xx."""
        return not self.reads_status or not re.search(r"\b[45]\d\d\b", self.command.script.text)


def unretried(found: HealthCheck) -> Blocked | None:
    """Why curl's own retries would not make a check ask again; None where they do."""
    if found.fails:
        return None
    if found.reads_status:
        return Blocked(
            "it reads the status code, and curl cannot retry what it writes to /dev/null (error 23 in many versions)",
            "let `curl --fail` judge, without `--write-out`",
        )
    judge = next((each.name for each in found.command.receivers if each.name in ("grep", "egrep", "jq")), "")
    if judge:
        return Blocked(
            f"{judge} judges the answer, and curl asks no second time where it got one",
            "add `--fail`, or ask in a loop",
        )
    return Blocked("an HTTP error does not fail this check, so it has nothing to retry", "add `--fail` where it should")


ALL_ERRORS = ScriptText.of("--retry-all-errors")  # since curl 7.71
_RETRY = ScriptText.of(" --retry @times@ --retry-delay @delay@ @all@")


def retried(found: HealthCheck, times: int, delay: int, max_time: int) -> ScriptText:
    """The options by which curl asks again, `delay` seconds apart, and waits `max_time` seconds where the check does
    not say how long; `unretried` is None."""
    again = _RETRY.filled(times=times, delay=delay, all=ALL_ERRORS)
    return again if found.max_time else again + ScriptText.of(" --max-time @seconds@", seconds=max_time)


_WGET_HARMLESS = re.compile(
    r"-[qSv]+|-nv|--(quiet|no-verbose|server-response|retry-connrefused)|--(timeout|tries|waitretry)=\d+"
)
_WGET_DISCARDS = re.compile(r"--spider|-q?O(-|/dev/null)|--output-document=(-|/dev/null)")


def _wget(command: Command) -> HealthCheck | None:
    urls: list[Word] = []
    discards = False
    waiting = list(command.args)
    while waiting:
        word = waiting.pop(0)
        if word.text in ("-O", "-qO", "-T", "-t") and waiting:
            value = waiting.pop(0).text
            if word.text.endswith("O") and value not in ("-", "/dev/null"):
                return None
            discards |= word.text.endswith("O")
        elif _WGET_DISCARDS.fullmatch(word.text):
            discards = True
        elif not word.text.startswith("-"):
            urls.append(word)
        elif not _WGET_HARMLESS.fullmatch(word.text):
            return None
    if not discards or len(urls) != 1 or _OTHERS.match(urls[0].text) or _is_piped_into_a_program(command):
        return None
    return HealthCheck(command, urls[0], fails=True)


def health_checks(script: Script) -> tuple[HealthCheck, ...]:
    """The health checks of a script, in order."""
    if "curl" not in script.text and "wget" not in script.text:
        return ()
    return tuple(found for command in script.commands if (found := HealthCheck.of(command)) is not None)


def is_about_health(url: str) -> bool:
    """Whether the path of a URL, or the name of a variable in it, says that it tells how a service is."""
    return _HEALTHY_PATH.search(url.lower()) is not None


def is_local(url: str) -> bool:
    """Whether a URL points at this machine, or at a container beside it."""
    return _LOCAL.match(url) is not None


@record
class Probe:
    """What a loop asks: a URL with curl's options."""

    url: Quoted
    options: tuple[Quoted, ...] = ()
    max_time: int = 10

    @property
    def command(self) -> ScriptText:
        limit = ScriptText.of("--max-time @seconds@", seconds=self.max_time)
        return ScriptText.joined(" ", (_CURL, limit, *self.options, ScriptText.of("--output /dev/null")))


_CURL = ScriptText.of("curl --fail --silent --show-error")
_DEADLINE = ScriptText.of("@deadline@=$(($(date +%s) + @seconds@))\n")
_UNTIL_HEALTHY = ScriptText.of("""\
until @command@ "$@url@"; do
  if [ "$(date +%s)" -ge "$@deadline@" ]; then
    echo "::@level@::$@url@ is not healthy after @seconds@ seconds"
    @otherwise@
  fi
  sleep @interval@
done
""")
_IS_HEALTHY = ScriptText.of('echo "$@url@ is healthy"')
_ASKED_ONCE = ScriptText.of("""\
if ! @command@ "$@url@"; then
  echo "::@level@::$@url@ did not stay healthy for @seconds@ seconds"
  @otherwise@
fi
""")
_FAILS = {"level": ScriptText.of("error"), "otherwise": ScriptText.of("exit 1")}
_WARNS = {"level": ScriptText.of("warning"), "otherwise": ScriptText.of("break")}
_WARNS_WITHIN_TWO = {**_WARNS, "otherwise": ScriptText.of("break 2")}
_FOR_SOME_TIME = ScriptText.of("""\
while [ "$(date +%s)" -lt "$@deadline@" ]; do
@rounds@
  sleep @interval@
done
""")
_TRY_AGAIN = ScriptText.of("""\
for attempt in @attempts@; do
  if @command@; then
    break
  fi
  if [ "$attempt" -eq @last@ ]; then
    echo "::error::the health check failed @last@ times"
    @otherwise@
  fi
  sleep @delay@
done
""")


def wait_until_healthy(
    probes: Sequence[Probe], timeout: int, interval: int, taken: str = "", *, goes_on: bool = False
) -> list[ScriptText]:
    """The lines of a script that ends with failure unless every URL has been healthy within `timeout` seconds.

    `taken` is the script around it: its variables are not reused. Where it `goes_on`, it warns instead of failing.
    """
    url, deadline = _free("url", taken), _free("deadline", taken)
    end = _WARNS if goes_on else _FAILS
    lines = _DEADLINE.filled(deadline=deadline, seconds=timeout).splitlines()
    for command, group in groupby(probes, key=lambda probe: probe.command):
        loop = _UNTIL_HEALTHY.filled(
            command=command, url=url, deadline=deadline, seconds=timeout, interval=interval, **end
        )
        body = loop.splitlines() if goes_on else [*loop.splitlines(), _IS_HEALTHY.filled(url=url)]
        lines += _for_each(url, [probe.url for probe in group], body)
    return lines


def stay_healthy(
    probes: Sequence[Probe], seconds: int, interval: int, taken: str = "", *, goes_on: bool = False
) -> list[ScriptText]:
    """The lines of a script that ends with failure as soon as a URL is not healthy within the next `seconds`.

    `taken` and `goes_on` are as in `wait_until_healthy`.
    """
    url, deadline = _free("url", taken), _free("deadline", taken)
    rounds: list[ScriptText] = []
    for command, group in groupby(probes, key=lambda probe: probe.command):
        values = [probe.url for probe in group]
        warns = _WARNS if len(values) == 1 else _WARNS_WITHIN_TWO
        body = _ASKED_ONCE.filled(command=command, url=url, seconds=seconds, **(warns if goes_on else _FAILS))
        rounds += _for_each(url, values, body.splitlines())
    lines = [rounds.pop(0)] if len(probes) == 1 else []
    lines += _DEADLINE.filled(deadline=deadline, seconds=seconds).splitlines()
    inside = ScriptText.joined("\n", [line.indented("  ") for line in rounds])
    lines += _FOR_SOME_TIME.filled(deadline=deadline, rounds=inside, interval=interval).splitlines()
    return lines if goes_on else [*lines, ScriptText.of('echo "healthy for @seconds@ seconds"', seconds=seconds)]


def try_again(command: ScriptText, attempts: int, delay: int, otherwise: ScriptText) -> list[ScriptText]:
    """The lines of a script that runs a command up to `attempts` times, `delay` seconds apart, and at last does
    `otherwise`."""
    numbers = (ScriptText.of("@number@", number=number) for number in range(1, attempts + 1))
    every = ScriptText.joined(" ", numbers)
    return _TRY_AGAIN.filled(
        attempts=every, command=command, last=attempts, otherwise=otherwise, delay=delay
    ).splitlines()


def _for_each(variable: ScriptText, values: list[Quoted], body: list[ScriptText]) -> list[ScriptText]:
    if len(values) == 1:
        return [ScriptText.of("@variable@=@value@", variable=variable, value=values[0]), *body]
    listed = ScriptText.joined(" \\\n  ", values)
    head = ScriptText.of("for @variable@ in \\\n  @values@\ndo\n", variable=variable, values=listed)
    return [*head.splitlines(), *(line.indented("  ") for line in body), ScriptText.of("done")]


def _free(name: str, taken: str) -> ScriptText:
    """This name of a variable, or a longer one where the script has it already."""
    is_taken = re.search(rf"\$\{{?{name}\b|\b{name}=|\b(for|read) {name}\b", taken) is not None
    own = ScriptText.name(name)
    return ScriptText.of("health_@name@", name=own) if is_taken else own


def _options(words: Iterable[Word]) -> Iterable[tuple[str, tuple[Word, ...], Word | None]]:
    """Each option with the words that it takes up and its value; a URL has no name."""
    waiting = list(words)
    while waiting:
        word = waiting.pop(0)
        text = word.text
        if text.startswith("--") and len(text) > 2:
            if text in _VALUED_LONG and waiting:
                value = waiting.pop(0)
                yield text, (word, value), value
            else:
                yield text, (word,), None
        elif text.startswith("-") and len(text) > 1 and text != "--":
            yield from _cluster(word, waiting)
        elif text != "--":
            yield "", (word,), word


def _cluster(word: Word, waiting: list[Word]) -> Iterable[tuple[str, tuple[Word, ...], Word | None]]:
    """The options of `-sSf`, `-fo /dev/null`, `-m5`; each that is kept gets a word of its own."""
    for at, letter in enumerate(word.text[1:], 1):
        own = Word(f"-{letter}", word.start, word.end, True)
        if letter not in _VALUED:
            yield own.text, (own,), None
            continue
        rest = word.text[at + 1 :]
        if rest:
            value = Word(rest, word.start, word.end, word.literal)
            yield own.text, (own, value), value
        elif waiting:
            value = waiting.pop(0)
            yield own.text, (own, value), value
        return


_TEXT_READERS = {"grep", "egrep", "jq", "tee", "cat", "head", "tail", "wc", "sed", "awk", "tr", "cut", "sort"}


def _is_piped_into_a_program(command: Command) -> bool:
    """Whether what it fetches is handed to something that is no reader of text, such as `bash` or `tar`."""
    return any(not other.name.startswith("python") and other.name not in _TEXT_READERS for other in command.receivers)
