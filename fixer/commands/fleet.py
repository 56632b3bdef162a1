"""`fhfix fleet`: many repositories at once."""

from __future__ import annotations

import gc

import click

from fixer.commands.fleet_campaign import close, pr, resume, retry, status
from fixer.commands.fleet_check import check


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def fleet() -> None:
    """Many repositories at once: of an organisation, a search, a file, or a folder of clones.

    \b
    fhfix fleet check --org acme --html fleet.html    what is found, grouped over all of them
    fhfix fleet pr deploys --org acme --dry-run       what the campaign `deploys` would propose
    fhfix fleet pr deploys --org acme                 propose it, a few first
    fhfix fleet status deploys --watch                follow it to the end

    Who asks is the GitHub App of FHFIX_APP and FHFIX_APP_KEY, else the token of `fhfix pr`, else what git's credential
    helper knows of the host. FHFIX_HOST names an Enterprise Server.
    """
    gc.enable()  # off for what is short; this is at work for hours, and so is its engine, which leaves cycles behind


for command in (check, pr, status, resume, retry, close):
    fleet.add_command(command)
