"""`fhfix review`: the page of `fhfix preview`, served to the browser of this machine."""

from __future__ import annotations

import gc
import webbrowser
from importlib.util import find_spec

import click

from fixer.commands.opening import repository_options, same_repository
from fixer.session import Session
from fixer.show.output import Refusal, put, say


@click.command()
@repository_options
@click.option("--safe", is_flag=True, help="Only fixes that keep the meaning except for the defect.")
@click.option("--no-browser", is_flag=True, help="Print the address instead of opening it.")
@click.pass_context
def review(context: click.Context, opened: Session, safe: bool, no_browser: bool) -> None:
    """Choose fixes below PATH in the browser: see what they make together, apply them, take them back.

    Serves one page on 127.0.0.1 for as long as it is open, or until Ctrl-C. The address works once. Files open in the
    editor of VISUAL or EDITOR.
    """
    gc.enable()  # off for what is short; this serves as long as its page is open
    missing = [name for name in ("flask", "waitress") if find_spec(name) is None]
    if missing:
        raise Refusal(
            f"fhfix review needs {' and '.join(missing)}",
            "install fhfix[review], for instance: pipx install '.[review]'",
        )
    from fixer.commands.about import about_of
    from fixer.review import Review, serve

    root = opened.repository.root
    command, apply = same_repository("review", context), same_repository("apply", context)

    def ready(url: str) -> None:
        if no_browser or not webbrowser.open(url):
            put(f"{url}\n")
        say("this ends with the page, or with Ctrl-C")

    serve(Review(opened, lambda: about_of(root, command, apply)), ready)
