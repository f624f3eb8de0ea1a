"""The page on submitting says what the code does."""

from pathlib import Path

from gonerd.formats.predictions import DEFAULT_LIMITS, MIB
from gonerd.leaderboard.verify import CHECKS


def test_the_page_holds_the_example_as_it_is_given_out(checkout: Path) -> None:
    example = (checkout / "gonerd" / "leaderboard" / "templates" / "predict.py.txt").read_text(encoding="utf-8")
    assert f"```python\n{example}```" in (checkout / "docs" / "submit.md").read_text(encoding="utf-8")


def test_the_page_lists_every_check_and_the_limits(checkout: Path) -> None:
    page = (checkout / "docs" / "submit.md").read_text(encoding="utf-8")
    for name, meaning in CHECKS.items():
        assert f"| `{name}` | {meaning} |\n" in page
    limits = DEFAULT_LIMITS
    assert limits.file_bytes == limits.unpacked_bytes
    assert f"at most {limits.file_bytes // MIB} MiB, unpacked too, {limits.line_bytes // MIB} MiB a line" in page
    assert f"{limits.lines:,} lines" in page
