"""`gonerd quickstart`: the whole main job, offline, in a few minutes."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from gonerd.cli.console import progress_bar, say, table
from gonerd.sample.quickstart import QuickstartConfig, Workspace, remove_output, run


def quickstart(
    config: Annotated[QuickstartConfig, Parameter(name="*")] = QuickstartConfig(),  # noqa: B008 - frozen
) -> None:
    """Run the whole main job over the sample, without any network: crawl, annotate, build, train, distill, score, rank.

    It takes a few minutes on two cores; a second run looks up what is there and finishes in seconds. Ctrl-C loses
    nothing: run it again and it goes on.

    Example: gonerd quickstart --out my-first-run
    """
    from gonerd.sample.steps import STEPS

    if config.fresh:
        remove_output(config.out)
    workspace = Workspace(config, progress_bar)
    for number, (name, lines) in enumerate(run(workspace, STEPS), start=1):
        say(f"[{number}/{len(STEPS)}] {name}: {lines[0]}")
        for line in lines[1:]:
            say(f"      {line}")
    _show_table(workspace)
    out = config.out
    say(f"Leaderboard: {out / 'leaderboard' / 'index.html'}   Figures: {out / 'summary.json'}")
    say("Next:")
    say(f"  gonerd dataset stats {out / 'dataset'}")
    say(f"  gonerd evaluate YOUR_MODEL --data {out / 'dataset'} --split test --out {out / 'results'}")
    say("  gonerd corpus run govuk --max-pages 50 --out corpus --contact you@example.org")


def _show_table(workspace: Workspace) -> None:
    """Print the two models side by side."""
    figures = workspace.figures["evaluation"]
    rows = [
        [
            name,
            f"{figures[name]['strict_f1']:.3f}",
            f"{figures['time'][f'{name}_tokens_per_second']:,.0f}",
            f"{figures[name]['peak_memory_mib']:,.0f}",
        ]
        for name in ("teacher", "student")
    ]
    table(["model", "strict F1", "tokens/s", "peak memory, MiB"], rows)
