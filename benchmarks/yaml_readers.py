"""Which reader says fastest where everything stands in a YAML file? Prints ratios; docs/decisions.md keeps them.

    python -m benchmarks.yaml_readers FOLDER

Every reader goes over the same files in turn, round after round, so that a busy machine is unfair to none.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from io import StringIO
from pathlib import Path
from statistics import median

import tree_sitter_yaml
import yaml
from ruamel.yaml import YAML
from tree_sitter import Language, Parser

ROUNDS = 5


def libyaml_events(text: str) -> None:
    """What fhfix does: the event stream of libyaml, with marks."""
    for _ in yaml.parse(text, yaml.CSafeLoader):
        pass


def libyaml_nodes(text: str) -> None:
    yaml.compose(text, yaml.CSafeLoader)


def pure_python_events(text: str) -> None:
    """PyYAML without its extension module."""
    for _ in yaml.parse(text, yaml.SafeLoader):
        pass


def ruamel_nodes(text: str) -> None:
    YAML(typ="rt", pure=True).compose(text)


def ruamel_load(text: str) -> None:
    YAML(typ="rt", pure=True).load(text)


_PARSER = Parser(Language(tree_sitter_yaml.language()))


def tree_sitter(text: str) -> None:
    _PARSER.parse(text.encode())


READERS: tuple[Callable[[str], None], ...] = (
    libyaml_events,
    libyaml_nodes,
    tree_sitter,
    pure_python_events,
    ruamel_nodes,
    ruamel_load,
)


def seconds(read: Callable[[str], None], texts: list[str], failures: Counter[str]) -> float:
    start = time.perf_counter()
    for text in texts:
        try:
            read(text)
        except Exception:  # each library has its own family of errors; only the count matters here
            failures[read.__name__] += 1
    return time.perf_counter() - start


def round_trip(text: str) -> str:
    """Load and dump as careful users do it: quotes kept, no folding of long lines."""
    yaml_file = YAML(typ="rt", pure=True)
    yaml_file.preserve_quotes = True
    yaml_file.width = sys.maxsize
    out = StringIO()
    yaml_file.dump(yaml_file.load(text), out)
    return out.getvalue()


def given_back(texts: list[str]) -> int:
    """How many files a round trip through ruamel.yaml gives back as they were."""
    same = 0
    for text in texts:
        with suppress(Exception):  # a file that is refused is not given back
            same += round_trip(text) == text
    return same


def main(folder: Path) -> None:
    paths = sorted(path for path in folder.rglob("*.y*ml") if path.is_file() and path.stat().st_size < 100_000)
    texts = [path.read_text(encoding="utf-8", errors="replace").removeprefix("\ufeff") for path in paths]
    failures: Counter[str] = Counter()
    taken: dict[str, list[float]] = {read.__name__: [] for read in READERS}
    for _ in range(ROUNDS):
        for read in READERS:
            taken[read.__name__].append(seconds(read, texts, failures))
    print(f"{len(texts)} files, {sum(map(len, texts)) / len(texts):.0f} characters each on average, {ROUNDS} rounds")
    for name, times in taken.items():
        ratios = sorted(mine / base for mine, base in zip(times, taken["libyaml_events"], strict=True))
        refused = f", {failures[name] // ROUNDS} files refused" if failures[name] else ""
        print(f"{name:20} {median(ratios):6.1f} x libyaml_events ({ratios[0]:.1f} to {ratios[-1]:.1f}){refused}")
    print(f"{given_back(texts)} of {len(texts)} files come back unchanged from ruamel.yaml's load and dump")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
