import base64
import csv
import hashlib
import io
import itertools
import json
import random
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from gonerd.errors import GonerdError
from gonerd.labels import load_scheme
from gonerd.leaderboard.board import Board, Entry, boards_of, display, ranked
from gonerd.leaderboard.columns import columns_of
from gonerd.leaderboard.intervals import Intervals
from gonerd.leaderboard.plot import NARROW, plot_of
from gonerd.leaderboard.site import build_site, render_page, to_csv
from gonerd.leaderboard.verify import verify

MARKUP = '"><script>alert(1)</script><img src=x onerror=alert(1)>'
HOSTILE = [
    MARKUP,
    "' onmouseover='alert(1)",
    "{{ 7 * 7 }}{% raw %}",
    "</style></script><!--",
    "&lt;b&gt;",
    "evil\u202egnp.exe\u2066",
    "../../etc/passwd",
    "=HYPERLINK(1)",
    "W" * 10_000,
    "Z" + "\u0335\u0301" * 5_000,
    "\x00\x1b[31m\r\n",
    "مؤسسة 🙂",
]


def entry(name: str, f1: float, **fields: object) -> Entry:
    known = {"folder": name[:20], "name": name, "f1": f1, "by_type": {"PER": f1}, "date": "2026-03-01"}
    return Entry(**{**known, **fields})


def board(*entries: Entry, name: str = "gonerd") -> Board:
    labels = tuple((label.name, label.definition) for label in load_scheme().labels)
    return Board(name, "test", "gonerd", labels, 85, 106_391, "a" * 64, "b" * 64, ranked(entries))


def hostile_board() -> Board:
    entries = [
        entry(
            text,
            0.1 + number / 100,
            organisation=text,
            attention=text,
            teacher=text,
            license=text,
            hardware=text,
            training_data=text,
            words_per_second=10.0**number,
            peak_memory_mib=10.0 ** (20 * number),
            parameters=10**number,
        )
        for number, text in enumerate(HOSTILE)
    ]
    return board(*entries, name=MARKUP)


class Elements(HTMLParser):
    """Every element of a page with its attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.code: dict[str, str] = {}
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, {name: value or "" for name, value in attrs}))
        self.open.append(tag)

    def handle_endtag(self, tag):  # noqa: ARG002 - the parser gives it
        self.open.append("")

    def handle_data(self, data):
        if self.open and self.open[-1] in ("style", "script"):
            self.code[self.open[-1]] = data


def test_hostile_text_makes_no_element_and_no_attribute() -> None:
    page = render_page([hostile_board()])
    elements = Elements(page).found
    calm = Elements(render_page([board(*(entry(f"m{n}", n / 100, words_per_second=1.0) for n in range(12)))])).found
    assert {tag for tag, _ in elements} <= {tag for tag, _ in calm} | {"select", "option", "small"}
    assert sum(tag == "script" for tag, _ in elements) == 1
    assert not any(name.startswith("on") or name == "style" for _, attributes in elements for name in attributes)
    assert "<script>alert" not in page
    assert "<img" not in page
    assert "{{ 7 * 7 }}" in page


def test_hostile_text_is_cut_and_loses_what_hides_or_reorders_it() -> None:
    page = render_page([hostile_board()])
    assert not re.search("[\u202a-\u202e\u2066-\u2069\u200b\x00\x1b]", page)
    assert "W" * 300 not in page
    assert "\u0301" * 5 not in page
    assert len(page) < 150_000


def test_the_page_asks_for_nothing_and_links_only_to_https() -> None:
    page = render_page([hostile_board(), board(entry("a", 0.5, link="https://example.org/a"))])
    for tag, attributes in Elements(page).found:
        assert tag not in ("img", "iframe", "object", "embed", "base", "form", "video", "audio", "source")
        assert "src" not in attributes
        if tag == "link":
            assert attributes == {"rel": "icon", "href": "data:,"}
        elif "href" in attributes:
            own = ("leaderboard.csv", "leaderboard.json")
            assert attributes["href"].startswith("https://") or attributes["href"] in own
    for code in Elements(page).code.values():
        assert not re.search(r"url\(|@import|fetch|XMLHttpRequest|http", code)


def test_the_policy_allows_exactly_the_style_and_script_of_the_page() -> None:
    elements = Elements(render_page([hostile_board()]))
    policy = next(a["content"] for tag, a in elements.found if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none';")
    for kind in ("style", "script"):
        digest = base64.b64encode(hashlib.sha256(elements.code[kind].encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy.replace("http-equiv", "")


@pytest.mark.parametrize("address", ["http://example.org", "javascript:alert(1)", "https://a b", 'https://x/"', "//x"])
def test_no_other_address_becomes_a_link(address: str) -> None:
    from gonerd.leaderboard.submission import https_or_none

    assert https_or_none(address) is None


def test_ties_share_a_rank_and_stand_in_the_order_of_names() -> None:
    entries = [entry("c", 0.5), entry("a", 0.5), entry("d", 0.25), entry("b", 0.75)]
    for order in itertools.permutations(entries):
        found = ranked(order)
        assert [(item.rank, item.name) for item in found] == [(1, "b"), (2, "a"), (2, "c"), (4, "d")]


def test_a_student_keeps_a_share_of_the_one_teacher_it_names() -> None:
    teacher = entry("big", 0.8, hub_id="org/big")
    by_name, by_id = entry("s1", 0.6, teacher="big"), entry("s2", 0.4, teacher="org/big")
    kept = {item.name: item.kept for item in ranked([teacher, by_name, by_id, entry("s3", 0.3, teacher="other")])}
    assert kept == {"big": None, "s1": pytest.approx(0.75), "s2": pytest.approx(0.5), "s3": None}


def test_a_teacher_that_two_entries_claim_to_be_is_none() -> None:
    entries = [entry("big", 0.8), entry("big", 0.1, folder="other"), entry("s", 0.6, teacher="big")]
    assert [item.kept for item in ranked(entries)] == [None, None, None]


def test_a_model_is_not_its_own_teacher() -> None:
    assert ranked([entry("a", 0.5, teacher="a")])[0].kept is None


def test_a_site_of_verified_submissions(make, gold, right, tmp_path: Path) -> None:
    folders = [
        make("teacher", tags=right, name="Teacher", organisation="Some & Co"),
        make("student", name="Student", teacher="Teacher", reference="https://example.org/s"),
    ]
    verifications = [verify(folder, gold) for folder in folders]
    page = build_site(verifications, tmp_path / "site")
    assert page == tmp_path / "site" / "index.html"
    html = page.read_text(encoding="utf-8")
    assert "Some &amp; Co" in html
    assert "75.0 %" in html
    assert str(gold.fingerprint.gold) in html
    rows = list(csv.DictReader(io.StringIO((tmp_path / "site" / "leaderboard.csv").read_text(encoding="utf-8"))))
    assert [(row["rank"], row["name"], row["f1"], row["kept"]) for row in rows] == [
        ("1", "Teacher", "1.0", ""),
        ("2", "Student", "0.75", "0.75"),
    ]
    (written,) = json.loads((tmp_path / "site" / "leaderboard.json").read_text(encoding="utf-8"))["boards"]
    assert [item["name"] for item in written["entries"]] == ["Teacher", "Student"]
    assert "me@example.org" not in html + json.dumps(written)
    build_site(verifications[::-1], tmp_path / "again")
    for path in page.parent.iterdir():
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes()


def test_a_speed_that_was_not_measured_is_not_shown_as_zero(make, gold) -> None:
    folder = make()
    path = folder / "result.json"
    path.write_text(path.read_text().replace('"words_per_second":10.0', '"words_per_second":0.0'))
    (only,) = boards_of([verify(folder, gold)])[0].entries
    assert only.words_per_second is None
    assert plot_of([only]) is None
    assert "nan" not in render_page(boards_of([verify(folder, gold)])).lower()


def test_a_rejected_submission_never_reaches_a_board(make, gold) -> None:
    folder = make("rejected")
    (folder / "surplus").write_text("")
    with pytest.raises(GonerdError, match="not verified"):
        boards_of([verify(make("fine"), gold), verify(folder, gold)])


def test_a_spreadsheet_runs_no_formula() -> None:
    rows = list(csv.reader(io.StringIO(to_csv([hostile_board()]))))
    assert not any(cell.startswith(("=", "+", "-", "@")) for row in rows for cell in row)
    assert any(cell == "'=HYPERLINK(1)" for row in rows for cell in row)


def test_a_board_without_entries_is_a_page_that_says_so() -> None:
    assert "no verified submission" in render_page([])


def test_display_keeps_ordinary_text_of_any_script() -> None:
    for text in ("Zoë", "模型", "नाम", "🙂", "a & b <c>"):
        assert display(text) == text


def test_every_point_of_a_plot_lies_inside_it() -> None:
    chance = random.Random(7)
    for _ in range(60):
        entries = [
            entry(f"m{n}", chance.random(), words_per_second=10 ** chance.uniform(-2, 9))
            for n in range(chance.randrange(1, 60))
        ]
        plot = plot_of(entries)
        assert plot is not None
        for point in plot.points:
            assert plot.frame.left <= point.x <= plot.frame.right
            assert plot.frame.top <= point.y <= plot.frame.bottom
        assert 2 <= len(plot.x_ticks) <= 14
        assert 2 <= len(plot.y_ticks) <= 8
        labels = [point for point in plot.points if point.label]
        for one, other in itertools.combinations(labels, 2):
            assert (one.label_x, one.label_y) != (other.label_x, other.label_y)


@pytest.mark.parametrize(("one", "other"), [(0.431, 0.437), (0.0, 0.004), (0.998, 1.0), (0.5, 0.5), (0.95, 0.95)])
def test_a_small_difference_is_no_cliff(one: float, other: float) -> None:
    plot = plot_of([entry("a", one, words_per_second=10.0), entry("b", other, words_per_second=20.0)])
    assert plot is not None
    shown = [int(tick.text) for tick in plot.y_ticks]
    assert shown[-1] - shown[0] >= 5
    assert 0 <= shown[0] <= 100 * one <= 100 * other <= shown[-1] <= 100


def test_an_interval_is_drawn_whole() -> None:
    entries = [
        entry("a", 0.678, f1_low=0.65, f1_high=0.706, words_per_second=10.0),
        entry("b", 0.656, f1_low=0.623, f1_high=0.688, words_per_second=20.0),
        entry("c", 0.66, words_per_second=30.0),
    ]
    plot = plot_of(entries)
    assert plot is not None
    heights = [(tick.at, int(tick.text)) for tick in plot.y_ticks]
    (bottom, least), (top, most) = heights[0], heights[-1]
    for one, point in zip(entries[:2], plot.points, strict=False):
        for share, drawn in ((one.f1_low, point.low), (one.f1_high, point.high)):
            assert share is not None
            assert drawn == pytest.approx(bottom + (100 * share - least) / (most - least) * (top - bottom), abs=0.1)


def test_the_plot_of_a_small_screen_holds_every_point_and_no_texts_that_touch() -> None:
    entries = [entry(f"model {n}", 0.5 + n / 100, words_per_second=10.0 ** (n / 3)) for n in range(9)]
    plot = plot_of(entries, NARROW)
    assert plot is not None
    assert len(plot.points) == len(entries)
    assert all(NARROW.left <= point.x <= NARROW.right for point in plot.points)
    texts = [tick for tick in plot.x_ticks if tick.text]
    for left, right in itertools.pairwise(texts):
        assert right.at - left.at > 6.6 * (len(left.text) + len(right.text)) / 2


def test_the_hardware_is_there_without_a_pointer() -> None:
    entries = [entry("a", 0.5, words_per_second=9.0, hardware="one & only"), entry("b", 0.4, words_per_second=8.0)]
    page = render_page([board(*entries, entry("c", 0.3))])
    text = re.sub(r"<[^>]*>", "", page)
    assert "one &amp; only: a;" in text
    assert "hardware not stated: b." in text
    assert re.search(r"<small><bdi>one &amp; only</bdi></small>", page)


def test_an_absurd_speed_does_not_press_the_others_together() -> None:
    entries = [entry("a", 0.5, words_per_second=1e300), entry("b", 0.6, words_per_second=100.0), entry("c", 0.1)]
    plot = plot_of(entries)
    assert plot is not None
    assert [point.title[0] for point in plot.points] == ["b"]
    assert plot_of([entry("c", 0.1)]) is None


def test_an_interval_is_of_the_documents_and_the_same_for_the_same_predictions(make, gold, right) -> None:
    folders = [
        make("all", tags=right),
        make("some"),
        make("none", tags={name: ["O"] * len(t) for name, t in right.items()}),
    ]
    (found,) = boards_of([verify(folder, gold) for folder in folders])
    (again,) = boards_of([verify(folder, gold) for folder in folders[::-1]])
    assert found == again
    best, middle, worst = found.entries
    assert (best.f1_low, best.f1, best.f1_high) == (1.0, 1.0, 1.0)
    assert 0.0 <= middle.f1_low < middle.f1 < middle.f1_high <= 1.0
    assert (worst.f1_low, worst.f1, worst.f1_high) == (0.0, 0.0, 0.0)


def test_the_counts_of_documents_add_up_to_the_score(make, gold) -> None:
    found = verify(make(), gold)
    counts = Intervals(gold).counts(found.answers).sum(axis=0).tolist()
    micro = found.strict.micro
    assert counts == [micro.correct, micro.predicted, micro.gold]


def test_entries_whose_intervals_overlap_may_stand_in_either_order() -> None:
    chance = random.Random(3)
    for _ in range(30):
        entries = [
            entry(f"m{n}", f1, f1_low=f1 - chance.random() / 20, f1_high=f1 + chance.random() / 20)
            for n, f1 in enumerate(chance.random() for _ in range(25))
        ]
        for found in ranked(entries):
            others = [other for other in entries if other.name != found.name]
            assert found.best_rank == 1 + sum(other.f1_low > found.f1_high for other in others)
            assert found.worst_rank == len(entries) - sum(other.f1_high < found.f1_low for other in others)
            assert found.best_rank <= found.rank <= found.worst_rank
    page = render_page([board(entry("a", 0.5, f1_low=0.4, f1_high=0.6), entry("b", 0.45, f1_low=0.4, f1_high=0.5))])
    assert page.count("<small><bdi>1–2</bdi></small>") == 2
    assert page.count('<tr class="first"') == 2
    assert "The intervals allow ranks" not in render_page([board(entry("a", 0.5), entry("b", 0.4))])


def test_the_front_is_what_no_entry_beats_in_both() -> None:
    chance = random.Random(11)
    for _ in range(40):
        entries = [
            entry(f"m{n}", chance.random(), latency_4096_ms=10 ** chance.uniform(0, 4), hardware="one")
            for n in range(chance.randrange(2, 30))
        ]
        entries.append(entry("fast elsewhere", 1.0, latency_4096_ms=0.5, hardware="other"))
        plot = plot_of(entries)
        assert plot is not None
        (apart,) = [point for point in plot.points if point.elsewhere]
        assert apart.title.startswith("fast elsewhere")
        here = [point for point in plot.points if not point.elsewhere]
        unbeaten = {p.y for p in here if not any((o.x <= p.x and o.y < p.y) for o in here)}
        drawn = {float(y) for y in re.findall(r"V([\d.]+)", plot.front)}
        assert drawn == unbeaten
        assert plot.hardware == "one"


def test_latency_is_the_axis_where_any_entry_states_it() -> None:
    stated = entry("a", 0.5, latency_4096_ms=20.0, words_per_second=9.0)
    plot = plot_of([stated, entry("b", 0.4, words_per_second=8.0)])
    assert plot is not None
    assert [point.title for point in plot.points] == ["a: F1 50.0, 20 ms"]
    assert "4,096" in plot.axis
    plot = plot_of([entry("b", 0.4, words_per_second=1000.0)])
    assert plot is not None
    assert [point.title for point in plot.points] == ["b: F1 40.0, 1,000 ms"]
    assert "1,000 words" in plot.axis


def test_a_latency_that_a_submission_states_reaches_the_board(make, gold) -> None:
    (only,) = boards_of([verify(make(latency_4096_ms=12.5), gold)])[0].entries
    assert only.latency_4096_ms == 12.5
    with pytest.raises(ValueError, match="greater than 0"):
        make("wrong", latency_4096_ms=0.0)


def test_a_column_in_which_nobody_states_anything_is_left_out() -> None:
    titles = {column.key for column in columns_of(board(entry("a", 0.5), entry("b", 0.4, layers=6)))}
    assert {"rank", "model", "f1", "f1_PER", "layers", "date"} == titles


def test_a_filter_is_there_where_it_tells_entries_apart() -> None:
    one = render_page([board(entry("a", 0.5, attention="lsg"), entry("b", 0.4, attention="lsg"))])
    assert "<select data-filter" not in one
    two = render_page([board(entry("a", 0.5, attention="lsg"), entry("b", 0.4, teacher="a"))])
    assert re.findall(r'<select data-filter="(\w+)"', two) == ["attention", "distilled"]
    many = render_page([board(*(entry(f"m{n}", n / 100, attention=f"kind {n}") for n in range(60)))])
    assert "<select data-filter" not in many


def test_rows_beyond_the_first_are_in_the_page_and_wait() -> None:
    page = render_page([board(*(entry(f"m{n}", n / 1000) for n in range(120)))])
    first, _, rest = page.partition("<template")
    waiting, _, after = rest.partition("</template>")
    assert (first.count('scope="row"'), waiting.count('scope="row"'), after.count('scope="row"')) == (50, 70, 0)
    assert "all are in the downloads" in after


def test_a_column_without_a_figure_is_left_out_and_the_page_says_why() -> None:
    page = render_page([board(entry("a", 0.5, words_per_second=2.0), entry("b", 0.4))])
    told = re.sub(r"\s+", " ", re.sub("<[^>]*>", " ", page))
    assert "Latency, Memory (gonerd cost measures it, and a submission takes its file along)" in told
    assert "Kept (of students whose teacher is on the board)" in told
    assert "Words/s (" not in told
    assert "1 without such a figure not drawn" in told
    hints = [attributes.get("title", "") for tag, attributes in Elements(page).found if tag == "td"]
    assert "gonerd cost measures it, and a submission takes its file along" in hints  # of the one that has none
