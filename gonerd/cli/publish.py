"""`gonerd dataset publish`: a dataset's folder to the Hub."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from gonerd.cli.console import progress_bar, say
from gonerd.dataset.publish import PublishConfig

if TYPE_CHECKING:
    from gonerd.dataset.publish import Plan


def publish(
    folder: Path,
    repository: str,
    /,
    *,
    config: Annotated[PublishConfig, Parameter(name="*")] = PublishConfig(),  # noqa: B008 - frozen
) -> None:
    """Publish a dataset on the Hub: one commit, tagged with the version; the same folder again changes nothing.

    The folder must be complete: its files those of its manifest, its card without gaps, a licence for every document.
    Log in first with `hf auth login`, or set HF_TOKEN.

    Example: gonerd dataset publish dataset my-organisation/my-news --dry-run

    Parameters
    ----------
    folder
        A dataset's folder.
    repository
        Repository on the Hub, organisation/name; made if it is not there.
    """
    from gonerd.dataset.publish import publish as publish_folder

    with progress_bar("publishing") as progress:
        plan = publish_folder(folder, repository, config=config, progress=progress)
    _show(plan, dry_run=config.dry_run)


def _show(plan: Plan, *, dry_run: bool) -> None:
    """Print what changed, or would."""
    for kind in ("added", "changed", "removed", "same"):
        names = getattr(plan, kind)
        say(f"{kind}: {len(names)}" + (f" ({', '.join(names)})" if names and kind != "same" else ""))
    if plan.not_published:
        say(f"not published, as no dataset has them: {', '.join(plan.not_published)}")
    if plan.removal_requests:
        say(f"removed.toml: {plan.removal_requests} requests, and none of those documents is in it")
    if plan.gold is not None:
        say(f"the labels that are kept back {'would be' if dry_run else 'are'} in {plan.gold}")
    if dry_run:
        say("A dry run: nothing was changed." + (" This version is published already." if plan.done else ""))
        return
    say(f"{plan.repository} {plan.tag} is commit {plan.commit}")
    say(f'Load it: load_dataset("{plan.repository}", revision="{plan.tag}")')
