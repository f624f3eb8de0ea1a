"""`gonerd`: the tree of commands, and what an error looks like."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

from cyclopts import App, CycloptsError
from cyclopts.exceptions import UnknownCommandError

from gonerd import __version__
from gonerd.errors import GonerdError, missing_extra, no_room, unknown_name

COMMANDS = {
    "quickstart": ("quickstart:quickstart", "Run the whole main job over the sample, offline, in a few minutes."),
    "corpus": ("corpus:app", "Turn raw web sources into documents: crawl, extract, deduplicate."),
    "annotate": ("annotate:app", "Annotate documents: suggestions, passes of annotators, agreement, gold."),
    "dataset": ("dataset:app", "Build the dataset from documents and gold, and look at it."),
    "model": ("model:app", "Look at, fine-tune and distill token-classification models."),
    "evaluate": ("evaluate:evaluate", "Evaluate models on whole documents."),
    "cost": ("cost:cost", "Measure what models cost: time, memory, operations, price."),
    "score": ("score:score", "Score a file of predictions against gold."),
    "compare": ("results:compare", "Tell whether one of two results really is better."),
    "results": ("results:results", "List results, and print them as Markdown, CSV or LaTeX."),
    "template": ("submit:template", "Write what any system needs to take part: documents, format, an example."),
    "submit": ("submit:submit", "Make a submission of a result, check it and send it."),
    "verify": ("leaderboard:verify", "Verify submissions: compute every score again from the predictions."),
    "leaderboard": ("leaderboard:app", "Build the board of the verified submissions."),
}
"""Where each command is, imported only when it is called, and its line in the overview; in the order of the work."""


def build_app(called: str | None) -> App:
    """Return the tree of commands. The one that is called shows its own help; the others their line of the overview."""
    app = App(
        name="gonerd",
        help="Long-document named entity recognition, from raw web page to leaderboard.",
        version=__version__,
        help_epilogue="An error is one line and exit code 2; add --debug for the traceback.",
        suppress_keyboard_interrupt=False,
        result_action="return_value",
    )
    for number, (name, (target, summary)) in enumerate(COMMANDS.items()):
        app.command(f"gonerd.cli.{target}", name=name, help=None if name == called else summary, sort_key=number)
    return app


def main(arguments: list[str] | None = None) -> None:
    """Run a command and exit: 0 done, 1 done and the answer is no, 2 bad input, 130 interrupted, 141 nobody reads."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    arguments = [argument for argument in given if argument != "--debug"]
    app = build_app(arguments[0] if arguments else None)
    try:
        answer = app(arguments, exit_on_error=False, print_error=False)
        sys.stdout.flush()
    except KeyboardInterrupt:
        _fail("interrupted; nothing is lost: run the same command again and it goes on where it stopped", code=130)
    except BrokenPipeError:
        # The program that read our output, such as `head`, has all it wanted; at exit Python would flush once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(141)
    except (GonerdError, CycloptsError, OSError, ImportError) as error:
        line = None if debug else _explain(error)
        if line is None:
            raise
        _fail(line, code=2)
    sys.exit(answer if isinstance(answer, int) else 0)


def _fail(text: str, *, code: int) -> NoReturn:
    """Print one line, whatever the text holds, and exit."""
    line = "".join(c if c.isprintable() else " " if c.isspace() else ascii(c)[1:-1] for c in text.strip())
    print(f"gonerd: {line}", file=sys.stderr)  # noqa: T201 - rich may be what is broken
    sys.exit(code)


def _explain(error: Exception) -> str | None:
    """Return the one line for an error the user can mend, or None for a fault of ours."""
    if isinstance(error, GonerdError):
        return str(error)
    if isinstance(error, CycloptsError):
        return _explain_usage(error)
    if isinstance(error, ImportError):
        return _explain_import(error)
    return _explain_system(error) if isinstance(error, OSError) else None


def _explain_usage(error: CycloptsError) -> str:
    """Return what is wrong with the command line."""
    if isinstance(error, UnknownCommandError) and error.unused_tokens:
        # Its own text would import every command to list their names.
        known = [name for name in error.app or COMMANDS if not name.startswith("-")]
        name = error.unused_tokens[0]
        return str(unknown_name("option" if name.startswith("-") else "command", name, known))
    text = str(error).rstrip(".")
    return f"{text}{'' if text.endswith('?') else '.'} Add --help for what it takes"


def _explain_import(error: ImportError) -> str | None:
    """Return which extra is missing; cyclopts wraps the error of a command's module in one of its own."""
    cause = error if isinstance(error, ModuleNotFoundError) else error.__cause__
    named = missing_extra(cause) if isinstance(cause, ModuleNotFoundError) else None
    return str(named) if named else None


def _explain_system(error: OSError) -> str | None:
    if full := no_room(error, error.filename or "the output"):
        return str(full)
    if isinstance(error, PermissionError):
        return f"{error.filename}: no permission. {_remedy_for_permission(error.filename)}"
    return None if error.filename is None else f"{error.filename}: {error.strerror}"


def _remedy_for_permission(path: object) -> str:
    """Return what helps: another folder is no help where something that is there can not be read."""
    unreadable = isinstance(path, str) and os.access(path, os.F_OK) and not os.access(path, os.R_OK)
    return "Change its permissions" if unreadable else "Choose another folder, or change its permissions"
