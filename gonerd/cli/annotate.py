"""`gonerd annotate`: the tree of its commands, in the order of the work."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cyclopts import App

from gonerd.cli.annotate_audit import audit
from gonerd.cli.annotate_gold import adjudicate, agreement
from gonerd.cli.annotate_pages import serve, view
from gonerd.cli.annotate_passes import export, import_, suggest

app = App(name="annotate", help="Annotate documents: suggestions, passes of annotators, agreement, gold.")

COMMANDS: dict[str, Callable[..., Any]] = {
    "suggest": suggest,
    "export": export,
    "import": import_,
    "view": view,
    "serve": serve,
    "agreement": agreement,
    "adjudicate": adjudicate,
    "audit": audit,
}

for number, (name, command) in enumerate(COMMANDS.items()):
    app.command(command, name=name, sort_key=number)
