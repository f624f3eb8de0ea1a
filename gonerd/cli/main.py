"""`gonerd`: the tree of commands, and what an error looks like."""

from __future__ import annotations

import errno
import sys

from cyclopts import App

from gonerd import __version__
from gonerd.errors import GonerdError, missing_extra

app = App(
    name="gonerd",
    help="Long-document named entity recognition, from raw web page to leaderboard.",
    version=__version__,
    help_epilogue="An error is one line and exit code 2; add --debug for the traceback.",
    suppress_keyboard_interrupt=False,
    result_action="return_value",
)
app.command("gonerd.cli.quickstart:quickstart")
app.command("gonerd.cli.corpus:app", name="corpus")
app.command("gonerd.cli.annotate:app", name="annotate")
app.command("gonerd.cli.dataset:app", name="dataset")
app.command("gonerd.cli.model:app", name="model")
app.command("gonerd.cli.evaluate:evaluate")
app.command("gonerd.cli.score:score")
app.command("gonerd.cli.leaderboard:submit")
app.command("gonerd.cli.leaderboard:verify")
app.command("gonerd.cli.leaderboard:app", name="leaderboard")


def main(arguments: list[str] | None = None) -> None:
    """Run a command and exit: 0 done, 1 done and the answer is no, 2 bad input, 130 interrupted."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    try:
        answer = app([argument for argument in given if argument != "--debug"])
    except KeyboardInterrupt:
        _fail("interrupted; nothing is lost: run the same command again and it goes on where it stopped", code=130)
    except (GonerdError, OSError, ModuleNotFoundError) as error:
        line = None if debug else _explain(error)
        if line is None:
            raise
        _fail(line, code=2)
    sys.exit(answer if isinstance(answer, int) else 0)


def _fail(line: str, *, code: int) -> None:
    print(f"gonerd: {line}", file=sys.stderr)  # noqa: T201 - rich may be what is broken
    sys.exit(code)


def _explain(error: Exception) -> str | None:
    """Return the one line for an error the user can mend, or None for a fault of ours."""
    if isinstance(error, GonerdError):
        return str(error)
    if isinstance(error, ModuleNotFoundError):
        named = missing_extra(error)
        return str(named) if named else None
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return f"{error.filename or 'the output'}: the disk is full. Free some space and run the same command again"
    if isinstance(error, PermissionError):
        return f"{error.filename}: no permission. Choose another folder, or change its permissions"
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return None
