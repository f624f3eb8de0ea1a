"""The file of figures, and what is shown of it."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from gonerd.cli.results import verdict
from gonerd.evaluation.compare import compare_results
from gonerd.evaluation.hardware import describe_hardware
from gonerd.evaluation.views import LENGTH_NAMES, SUB_TOKENS_A_WORD
from gonerd.store import read_json, utc_now, write_json

SHORT = 512


def record(results: Path, name: str, make: Callable[[], dict[str, Any]]) -> None:
    """Add a run to the file of figures, unless it is there."""
    if results.is_file() and name in read_json(results).get("runs", {}):
        return
    print(f"{name} …", flush=True)
    found = make()
    add(results, "runs", name, found)
    print(f"{name}: strict F1 {found['strict_f1']:.4f} on test", flush=True)


def add(results: Path, part: str, name: str, found: dict[str, Any]) -> None:
    """Add figures to a part of the file, read anew: another runner may have added to it meanwhile."""
    content = read_json(results) if results.is_file() else {}
    content.setdefault(part, {})[name] = {**found, "date": utc_now(), "hardware": describe_hardware("cpu")}
    results.parent.mkdir(parents=True, exist_ok=True)
    write_json(results, content)


def tables(results: Path, work: Path) -> str:
    """Return all tables as Markdown."""
    runs = read_json(results)["runs"]
    groups: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for run in runs.values():
        groups[run["plan"]].append(run)
    rows = sorted(groups.values(), key=lambda group: -_mean(group, "strict_f1"))
    compared = [group for group in rows if group[0]["kind"] != "ablation"]
    parts = [
        "### Reach and attention", _headline(compared),
        "### By source", _by(compared, "by_source"),
        "### By document length, in sub-tokens", _by(compared, "by_length"),
        "### By position in the document, in sub-tokens", _by(compared, "by_position"),
        "### What helps", _headline(_with_bases(groups)),
        "### Reach 4,096 against 512", *_comparisons(compared, work),
    ]  # fmt: skip
    return "\n\n".join(parts)


def _mean(group: Sequence[dict[str, Any]], figure: str) -> float:
    return statistics.fmean(run[figure] for run in group)


def _headline(groups: Iterable[list[dict[str, Any]]]) -> str:
    titles = ["configuration", "seeds", "strict F1", "95 % of draws", "validation F1", "s an epoch", "sub-tokens/s"]
    return _markdown(titles, [_head_row(group) for group in groups])


def _head_row(group: list[dict[str, Any]]) -> list[str]:
    first, several = group[0], len(group) > 1
    low, high = first["interval"]
    spread = f" ± {100 * statistics.stdev(run['strict_f1'] for run in group):.2f}" if several else ""
    timed = [run for run in group if "epoch_seconds" in run]
    return [
        first.get("about", first["plan"]), str(len(group)) if "seed" in first else "-",
        f"{100 * _mean(group, 'strict_f1'):.2f}{spread}",
        f"{100 * low:.1f} to {100 * high:.1f}" + (f" (seed {first['seed']})" if several else ""),
        f"{100 * _mean(group, 'validation_f1'):.2f}" if "validation_f1" in first else "-",
        f"{_mean(timed, 'epoch_seconds'):.0f}" if timed else "-",
        f"{_mean(timed, 'tokens_per_second'):.0f}" if timed else "-",
    ]  # fmt: skip


def _by(groups: Sequence[list[dict[str, Any]]], figure: str) -> str:
    """Return F1 by part, the mean over seeds; a pipeline has no sub-tokens, and its lengths are estimated."""
    found = {name for group in groups for name in group[0][figure]}
    names = sorted(found, key=lambda name: (LENGTH_NAMES.index(name) if name in LENGTH_NAMES else -1, name))
    return _markdown(
        ["configuration", *names],
        [[_named(group[0], figure), *(_part(group, figure, name) for name in names)] for group in groups],
    )


def _named(run: dict[str, Any], figure: str) -> str:
    """Return a configuration's name, and that its lengths are others where they are."""
    estimated = run["kind"] == "peer" and figure in ("by_length", "by_position")
    return run["plan"] + (f" (words times {SUB_TOKENS_A_WORD:.2f})" if estimated else "")


def _part(group: Sequence[dict[str, Any]], figure: str, name: str) -> str:
    values = [run[figure].get(name) for run in group]
    scores = [value[1] if isinstance(value, list) else value for value in values]
    if any(score is None for score in scores):
        return "-"
    return f"{100 * statistics.fmean(scores):.1f}"


def _with_bases(groups: dict[str, list[dict[str, Any]]]) -> list[list[dict[str, Any]]]:
    """Return ablations, and before them what they change."""
    names = [name for name, group in groups.items() if group[0]["kind"] == "ablation"]
    bases = {groups[name][0]["base"] for name in names}
    return [groups[name] for name in [*sorted(bases & groups.keys()), *sorted(names)]]


def _comparisons(groups: Sequence[list[dict[str, Any]]], work: Path) -> list[str]:
    """Return the paired test of each run of long reach with the run at 512 of the same seed."""
    short = {run["seed"]: run for group in groups for run in group if run.get("reach") == SHORT}
    lines = []
    for run in (run for group in groups for run in group if run["kind"] == "reach" and run["reach"] > SHORT):
        if run["seed"] not in short:
            continue
        paths = [work / side["result"] for side in (run, short[run["seed"]])]
        if not all(path.is_file() for path in paths):
            lines.append(f"- {run['plan']}, seed {run['seed']}: its results are not in {work}")
            continue
        found = compare_results(*paths)
        lines.append(
            f"- {run['plan']}, seed {run['seed']}: {100 * found.difference:+.2f} points, 95 % of draws "
            f"{100 * found.interval.low:+.2f} to {100 * found.interval.high:+.2f}, p = {found.p:.4f}. "
            f"{verdict(found, [run['plan'], short[run['seed']]['plan']])}"
        )
    return ["\n".join(lines)] if lines else ["Not both are done."]


def _markdown(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = [f"| {' | '.join(titles)} |", f"|{'---|' * len(titles)}"]
    return "\n".join([*head, *(f"| {' | '.join(row)} |" for row in rows)])
