"""`gonerd verify`, `gonerd leaderboard`: from submissions to a board."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from gonerd.cli.console import say, table
from gonerd.leaderboard.folders import require_submission, submission_folders
from gonerd.leaderboard.policy import VerifyPolicy
from gonerd.leaderboard.repository import RepositoryConfig

if TYPE_CHECKING:
    from gonerd.formats.gold import Gold
    from gonerd.leaderboard.verify import Verification

PRINTED = ("rank", "model", "f1", "kept", "speed", "memory")  # what fits a terminal; the page has all


app = App(name="leaderboard", help="Build the board of the verified submissions.")


def verify(
    submissions: Annotated[list[Path], Parameter(negative="")],
    /,
    *,
    data: str,
    split: str = "test",
    scheme: str = "gonerd",
    report: Path | None = None,
    policy: Annotated[VerifyPolicy, Parameter(name="*")] = VerifyPolicy(),  # noqa: B008 - frozen
) -> int:
    """Verify submissions: compute every score again from the predictions and compare.

    Exit code 0 when all are verified, 1 when one is rejected; the reasons are printed.

    Example: gonerd verify submissions/mine --data gonerd --split test --report verification.json

    Args:
        submissions: submission folders.
        data: the gold: a dataset's name or folder, a file (JSON Lines, Parquet, CoNLL), or a folder of kept labels.
        split: which split of it.
        scheme: its label scheme.
        report: write every check to this JSON file.
        policy: what the host asks beyond being right.
    """
    from gonerd.leaderboard.verify import verify_all, write_report

    for folder in submissions:
        require_submission(folder)
    gold = read_gold_split(data, split, scheme=scheme)
    done = verify_all(submissions, gold, policy=policy)
    for verification in done:
        print_verification(verification)
    if report is not None:
        write_report(done, report)
    return 0 if all(verification.verified for verification in done) else 1


@app.command
def build(
    submissions: Path,
    /,
    *,
    data: str,
    out: Path,
    split: str = "test",
    scheme: str = "gonerd",
    reviewed: Path | None = None,
) -> int:
    """Verify all submissions in a folder and write the board: one HTML page with its CSV and JSON.

    A rejected submission is named here with its reasons and does not reach the board. Exit code 0 when a board was
    written, 1 when every submission is rejected: a board that is there already then stays as it is.

    Example: gonerd leaderboard build submissions --data gonerd --out leaderboard

    Args:
        submissions: a folder with one folder for each submission.
        data: the gold: a dataset's name or folder, a file (JSON Lines, Parquet, CoNLL), or a folder of kept labels.
        out: the folder for index.html, leaderboard.csv and leaderboard.json.
        split: which split of the data.
        scheme: its label scheme.
        reviewed: TOML file with the host's decisions on predictions that look implausible or repeat others.
    """
    from gonerd.leaderboard.site import build_site, refuse_foreign
    from gonerd.leaderboard.verify import verify_all

    folders = submission_folders(submissions)
    refuse_foreign(out)
    gold = read_gold_split(data, split, scheme=scheme)
    done = verify_all(folders, gold, policy=VerifyPolicy(reviewed=reviewed))
    for verification in done:
        if not verification.verified:
            print_verification(verification)
    verified = [verification for verification in done if verification.verified]
    if not verified:
        say(f"{out}: no board written, for all {len(done)} are rejected")
        return 1
    page = build_site(verified, out)
    print_board(verified)
    say(f"{page}: {len(verified)} verified, {len(done) - len(verified)} rejected")
    return 0


@app.command
def init(
    out: Path,
    /,
    *,
    config: Annotated[RepositoryConfig, Parameter(name="*")],
) -> None:
    """Write a results repository to start from: the workflow that verifies proposals and builds the board.

    Push it to a Git host that runs GitHub's workflows, and switch its pages on.

    Example: gonerd leaderboard init results --data my-organisation/my-news

    Args:
        out: the folder to make.
        config: what it is about.
    """
    from gonerd.leaderboard.repository import write_repository

    for path in write_repository(out, config):
        say(str(path))


def read_gold_split(data: str, split: str, *, scheme: str = "gonerd") -> Gold:
    """Return the gold of a split: from a file, a dataset by folder or name, or the folder of labels kept back.

    A repository on the Hub (`organisation/name`, or with `@revision`) is read at one commit, which the gold names. The
    labels may be hidden.

    Raises:
        GonerdError: there is no such data or split, or it is not gold of the scheme.
    """
    from gonerd.dataset.kept import holds_kept_gold, read_kept_gold
    from gonerd.formats.gold import Gold, read_gold
    from gonerd.labels import load_scheme

    labels = load_scheme(scheme)
    path = Path(data)
    if holds_kept_gold(path):
        return read_kept_gold(path, split, scheme=labels)
    if path.is_file():
        return Gold.of(read_gold(path, scheme=labels), scheme=labels, name=_data_name(data), split=split)
    from gonerd.dataset.examples import read_documents
    from gonerd.dataset.named import pinned

    repository, commit = pinned(data) or (None, None)
    documents = read_documents(f"{repository}@{commit}" if repository else data, split)
    return Gold.of(documents, scheme=labels, name=repository or _data_name(data), split=split, revision=commit)


def _data_name(data: str) -> str:
    """Return what a dataset calls itself, wherever its folder lies; otherwise the name of the file or folder."""
    path = Path(data)
    if path.is_file():
        return path.name.partition(".")[0] or path.name
    return (_own_name(path) or path.resolve().name) if path.is_dir() else data


def _own_name(folder: Path) -> str | None:
    from gonerd.store import MANIFEST, read_json

    for file, keys in ((MANIFEST, ("config", "build", "name")), ("release.json", ("name",))):
        value: Any = read_json(folder / file) if (folder / file).is_file() else None
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        if isinstance(value, str) and value:
            return value
    return None


def print_verification(verification: Verification) -> None:
    """Print whether a submission is verified, and why not."""
    say(f"{verification.folder}: {'verified' if verification.verified else 'rejected'}")
    for check in verification.failures:
        if check.made:
            say(f"  {check.name}: {check.detail}")
    if left := [check.name for check in verification.failures if not check.made]:
        say(f"  not checked: {', '.join(left)}")


def print_board(verified: list[Verification]) -> None:
    """Print the boards as tables."""
    from gonerd.leaderboard.board import boards_of
    from gonerd.leaderboard.columns import columns_of

    for board in boards_of(verified):
        columns = [column for column in columns_of(board) if column.key in PRINTED]
        rows = [[column.show(entry).text for column in columns] for entry in board.entries]
        table([column.title for column in columns], rows, title=f"{board.name}, {board.split} split")
