"""Cut GitHub's OpenAPI description down to the operations that fhfix uses: `trim_openapi.py IN.json OUT.json`.

The description is the npm package @octokit/openapi (MIT licence), `generated/api.github.com.json`; whole it is 12 MB.
Only the structure is kept, and the examples as data: what explains it in words is left to GitHub's documentation.
Each answer is also offered as `application/vnd.github+json`, the media type that GitHub recommends to ask for and that
its description leaves out.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

# Below these keys of OpenAPI stand names, and no further words of OpenAPI.
NAMES = frozenset(("paths", "properties", "patternProperties", "responses", "headers", "content"))
WORDS = frozenset(("summary", "externalDocs", "tags"))

KEPT = {
    "/meta": ("get",),
    "/rate_limit": ("get",),
    "/user": ("get",),
    "/app/installations": ("get",),
    "/app/installations/{installation_id}/access_tokens": ("post",),
    "/orgs/{org}/repos": ("get",),
    "/search/repositories": ("get",),
    "/users/{username}/repos": ("get",),
    "/repos/{owner}/{repo}": ("get",),
    "/repos/{owner}/{repo}/branches/{branch}": ("get",),
    "/repos/{owner}/{repo}/compare/{basehead}": ("get",),
    "/repos/{owner}/{repo}/forks": ("post",),
    "/repos/{owner}/{repo}/issues/{issue_number}/labels": ("post",),
    "/repos/{owner}/{repo}/pulls": ("get", "post"),
    "/repos/{owner}/{repo}/pulls/{pull_number}": ("get", "patch"),
    "/repos/{owner}/{repo}/pulls/{pull_number}/requested_reviewers": ("post",),
}


def trimmed(description: dict[str, Any]) -> dict[str, Any]:
    paths = {
        path: {
            key: description["paths"][path][key]
            for key in (*methods, "parameters")
            if key in description["paths"][path]
        }
        for path, methods in KEPT.items()
    }
    for content in _contents(paths):
        content.setdefault("application/vnd.github+json", content["application/json"])
    components: dict[str, dict[str, Any]] = {}
    waiting: list[Any] = [paths]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting += value
        elif isinstance(value, dict):
            waiting += value.values()
            reference = value.get("$ref")
            if isinstance(reference, str):
                _, _, kind, name = reference.split("/", 3)
                if name not in components.setdefault(kind, {}):
                    components[kind][name] = found = description["components"][kind][name]
                    for content in _contents(found):
                        content.setdefault("application/vnd.github+json", content["application/json"])
                    waiting.append(found)
    kept = ("openapi", "info", "servers", "security")
    head = {key: description[key] for key in kept if key in description}
    return {
        **head,
        "paths": paths,
        "components": {kind: dict(sorted(components[kind].items())) for kind in sorted(components)},
    }


def without_words(value: Any, *, names: bool = False) -> Any:
    """The description without its prose. `names`: the keys of this mapping are names, such as `description`."""
    if isinstance(value, list):
        return [without_words(each) for each in value]
    if not isinstance(value, dict):
        return value
    if names:
        return {key: without_words(each) for key, each in value.items()}
    made: dict[str, Any] = {}
    for key, each in value.items():
        if key in ("example", "examples", "value"):
            made[key] = each
        elif key == "description" and isinstance(each, str):
            made[key] = ""  # an answer must have one
        elif key == "components":
            made[key] = {
                kind: found if kind == "examples" else without_words(found, names=True) for kind, found in each.items()
            }
        elif key not in WORDS and not key.startswith("x-"):
            made[key] = without_words(each, names=key in NAMES)
    return made


def _contents(value: Any) -> list[dict[str, Any]]:
    """Every `content` that has JSON in it."""
    found, waiting = [], [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting += value
        elif isinstance(value, dict):
            content = value.get("content")
            if isinstance(content, dict) and "application/json" in content:
                found.append(content)
            waiting += value.values()
    return found


if __name__ == "__main__":
    whole = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    Path(sys.argv[2]).write_text(
        json.dumps(without_words(trimmed(whole)), separators=(",", ":")) + "\n", encoding="utf-8"
    )
