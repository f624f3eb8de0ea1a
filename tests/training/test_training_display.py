"""What a training run shows in a pipe and in a terminal."""

import io

import pytest
from rich.console import Console

from gonerd.cli import training_display as module
from gonerd.training.watch import Standing


def shown(monkeypatch, *, terminal, steps=40):
    text = io.StringIO()
    place = Console(file=text, force_terminal=terminal, force_interactive=terminal, width=100)
    monkeypatch.setattr(module, "console", lambda **_: place)
    with module.training_display("Fine-tuning [bold]x") as watch:
        for step in range(1, steps + 1):
            score = 0.5 if step >= 20 else None
            watch(Standing(step, steps, step == 20, 1.25, score, score, 2048.4, 3725.0))
    return text.getvalue()


def test_a_pipe_gets_a_few_plain_lines(monkeypatch):
    lines = shown(monkeypatch, terminal=False).splitlines()
    assert len(lines) == module.LINES
    assert lines[0] == "Fine-tuning [bold]x: step 2 of 40, loss 1.2500, 2,048 tokens/s, 1:02:05 left"
    assert "F1 50.00, 2,048 tokens/s" in lines[-1]
    assert "\x1b" not in "".join(lines)


def test_a_terminal_gets_one_line_that_is_gone_at_the_end(monkeypatch):
    text = shown(monkeypatch, terminal=True)
    assert "\x1b" in text
    assert text.count("\n") <= text.count("\x1b[1A")  # what it wrote it also took back


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (59.6, "1:00"), (3599, "59:59"), (7325, "2:02:05")])
def test_durations(seconds, text):
    assert module.duration(seconds) == text


def test_the_best_score_is_named_where_it_is_another():
    standing = Standing(1, 2, True, None, 0.4, 0.6)
    assert module.figures(standing, "F1") == "F1 40.00 (best 60.00)"
    assert module.figures(Standing(1, 2, True, None, -2.5, -2.5), "log-likelihood") == "log-likelihood -2.5000"
