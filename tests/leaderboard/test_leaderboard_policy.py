"""What a host asks beyond being right: plausible figures, unseen gold, own predictions, a limit a month."""

import gzip
import hashlib
import json
import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gonerd.errors import GonerdError
from gonerd.formats.gold import Gold, GoldDocument
from gonerd.formats.predictions import match
from gonerd.labels import load_scheme
from gonerd.leaderboard.history import rate_faults
from gonerd.leaderboard.policy import VerifyPolicy
from gonerd.leaderboard.submission import Submission, parse_submission, to_toml
from gonerd.leaderboard.suspicion import NEAR, Answers, agreement
from gonerd.leaderboard.verify import verify, verify_all
from gonerd.records import Prediction

DOCUMENTS = 12
TAGS = ["B-PER", "I-PER", "O", "B-LOC", "O", "B-ORG", "O", "O"]


def large_gold() -> Gold:
    """Enough entities (36) for a suspicion to mean something."""
    rows = [
        GoldDocument(f"d{number}", tuple(f"w{place}" for place in range(len(TAGS))), tuple(TAGS), source="s")
        for number in range(DOCUMENTS)
    ]
    return Gold.of(rows, scheme=load_scheme(), name="large", split="test")


@pytest.fixture
def gold() -> Gold:
    return large_gold()


def right() -> dict[str, list[str]]:
    return {f"d{number}": list(TAGS) for number in range(DOCUMENTS)}


def wrong(**changed: int) -> dict[str, list[str]]:
    """The right tags but for the first entity of one document a keyword."""
    return {**right(), **{name: ["O", "O", *TAGS[2:]] for name in changed}}


@pytest.fixture
def submit(tmp_path: Path, gold: Gold, submission_of):
    def made(folder: str, tags: dict[str, list[str]], **fields: object) -> Path:
        predictions = [Prediction(name, tuple(row)) for name, row in tags.items()]
        stated = Submission(**{"name": folder, "contact": "me@example.org", **fields})
        return submission_of(tmp_path / "submissions" / folder, gold, predictions, submission=stated)

    return made


def failed(verification) -> dict[str, str]:
    return {check.name: check.detail for check in verification.failures}


def test_a_perfect_score_is_held_back(submit, gold) -> None:
    assert failed(verify(submit("perfect", right()), gold)) == {"plausible": "a perfect score on 36 entities"}


def test_nearly_perfect_is_not(submit, gold) -> None:
    assert verify(submit("good", wrong(d1=1)), gold).verified


def test_more_work_a_second_than_any_machine_does_is_held_back(submit, gold) -> None:
    folder = submit("fast", wrong(d1=1))
    path = folder / "result.json"
    result = json.loads(path.read_text())
    result["model"]["parameters"] = 10**12
    result["speed"]["tokens_per_second"] = 1e8
    path.write_text(json.dumps(result))
    (folder / "submission.toml").write_text('name = "x"\ncontact = "me@example.org"\n')
    assert set(failed(verify(folder, gold))) == {"plausible"}
    result["speed"]["tokens_per_second"] = 1e6
    path.write_text(json.dumps(result))
    assert verify(folder, gold).verified


def test_repeating_wrong_gold_is_held_back(submit, gold, tmp_path: Path) -> None:
    ids = tmp_path / "mislabelled.txt"
    ids.write_text("# known by the audit\nd3\nd4\nd5\n\nd6\n")
    policy = VerifyPolicy(mislabelled=ids)
    seen, unseen = submit("seen", wrong(d1=1, d6=1)), submit("unseen", wrong(d3=1, d4=1, d1=1))
    one, other = verify_all([seen, unseen], gold, policy=policy)
    assert failed(one) == {"unseen": "equal to gold on 3 of 4 documents whose gold is known to be wrong"}
    assert other.verified


@pytest.mark.parametrize("content", [None, b"", b"# nothing\n", b"\xff\n"])
def test_a_list_of_ids_that_is_none_is_one_error(gold, tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "ids.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(GonerdError, match=r"no such file|no ids|not UTF-8"):
        verify_all([], gold, policy=VerifyPolicy(mislabelled=path))


def test_predictions_of_another_submission_are_held_back_and_the_first_stands(submit, gold) -> None:
    folders = [submit(name, wrong(d1=1)) for name in ("first", "second")] + [submit("third", wrong(d2=1, d3=1))]
    first, second, third = verify_all(folders, gold, policy=VerifyPolicy())
    assert first.verified
    assert third.verified
    assert failed(second) == {"original": "the same entities as 'first'"}


def test_accepted_submissions_come_first_whatever_their_names(submit, gold, tmp_path: Path) -> None:
    submit("zz", wrong(d1=1))
    accepted = (tmp_path / "submissions").rename(tmp_path / "accepted")
    new = submit("aa", wrong(d1=1))
    (done,) = verify_all([new], gold, policy=VerifyPolicy(accepted=accepted))
    assert failed(done) == {"original": "the same entities as 'zz'"}


def test_a_submission_is_not_its_own_copy(submit, gold, tmp_path: Path) -> None:
    folder = submit("one", wrong(d1=1))
    (done,) = verify_all([folder], gold, policy=VerifyPolicy(accepted=tmp_path / "submissions"))
    assert done.verified


def answers(folder: str, tags: dict[str, list[str]], gold: Gold) -> Answers:
    return Answers.of(folder, match(gold, [Prediction(name, tuple(row)) for name, row in tags.items()]))


def test_agreement_is_f1_and_knows_no_order(gold) -> None:
    shuffled = Gold.of(gold.documents[::-1], scheme=gold.scheme, name="large", split="test")
    one, same = answers("a", wrong(d1=1), gold), answers("b", wrong(d1=1), shuffled)
    assert agreement(one, same) == 1.0
    other = answers("c", right(), gold)
    assert agreement(one, other) == agreement(other, one) == pytest.approx(2 * 35 / 71)
    assert agreement(one, answers("d", {name: ["O"] * 8 for name in right()}, gold)) == 0.0


def test_another_place_is_another_entity(gold) -> None:
    moved = {name: ["O", *TAGS[:-1]] for name in right()}
    assert agreement(answers("a", right(), gold), answers("b", moved, gold)) == 0.0
    assert NEAR < 1


def decide(path: Path, folder: Path, **changed: object) -> Path:
    digest = hashlib.sha256((folder / "predictions.jsonl.gz").read_bytes()).hexdigest()
    values = {"predictions": digest, "checks": ["plausible"], "reason": "looked at", **changed}
    lines = "".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items())
    path.write_text(f"[[decision]]\n{lines}decided = 2026-11-01\n")
    return path


def test_a_host_lets_a_suspect_pass_by_its_predictions(submit, gold, tmp_path: Path) -> None:
    folder = submit("perfect", right())
    policy = VerifyPolicy(reviewed=decide(tmp_path / "reviewed.toml", folder))
    (done,) = verify_all([folder], gold, policy=policy)
    assert done.verified
    assert [check.detail for check in done.checks if check.name == "plausible"] == ["let pass by the host: looked at"]
    content = gzip.decompress((folder / "predictions.jsonl.gz").read_bytes())
    (folder / "predictions.jsonl.gz").write_bytes(gzip.compress(content + b"\n"))
    (done,) = verify_all([folder], gold, policy=policy)
    assert set(failed(done)) == {"plausible"}


@pytest.mark.parametrize("changed", [{"checks": ["strict"]}, {"predictions": "x"}, {"reason": ""}, {"more": 1}])
def test_a_host_cannot_let_a_wrong_score_pass(submit, gold, tmp_path: Path, changed: dict[str, object]) -> None:
    path = decide(tmp_path / "reviewed.toml", submit("perfect", right()), **changed)
    with pytest.raises(GonerdError, match=r"reviewed\.toml: field decision\.0"):
        verify_all([], gold, policy=VerifyPolicy(reviewed=path))


def git(folder: Path, *arguments: str, date: str = "2026-11-03T12:00:00Z") -> None:
    who = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}
    environment = {**os.environ, **who, "GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date}
    subprocess.run(["git", "-C", folder, *arguments], check=True, capture_output=True, env=environment)


def add(folder: Path, name: str, *, model: str = "Model", contact: str = "me@example.org", date: str) -> None:
    (folder / name).mkdir(parents=True)
    stated = parse_submission({"name": model, "contact": contact})
    (folder / name / "submission.toml").write_text(to_toml(stated))
    git(folder, "add", ".")
    git(folder, "commit", "-m", name, date=date)


@pytest.fixture
def results(tmp_path: Path) -> Path:
    folder = tmp_path / "results" / "submissions"
    folder.mkdir(parents=True)
    git(folder.parent, "init", "-b", "main")
    return folder


NOW = datetime(2026, 11, 20, tzinfo=UTC)


def faults(folder: Path, *, per_month: int, name: str = "Model", contact: str = "me@example.org") -> list[str]:
    stated = parse_submission({"name": name, "contact": contact})
    return list(rate_faults(stated, folder=folder / "new", accepted=folder, per_month=per_month, now=NOW))


def test_a_month_holds_so_many_submissions_of_one_name_or_contact(results: Path) -> None:
    add(results, "a", date="2026-10-31T23:59:59Z")
    add(results, "b c", date="2026-11-01T00:00:00Z")
    add(results, "d", model="Other", date="2026-11-05T00:00:00Z")
    assert faults(results, per_month=2) == ["2 submissions of this contact in 2026-11, of 2 a month"]
    assert faults(results, per_month=1)[0] == "1 submissions of this name in 2026-11, of 1 a month"
    assert faults(results, per_month=3) == []
    assert faults(results, per_month=1, name="New", contact="new@example.org") == []
    assert faults(results, per_month=1, name="MODEL", contact="new@example.org")


def test_a_proposal_does_not_count_against_itself(results: Path) -> None:
    add(results, "other", model="Else", contact="else@example.org", date="2026-11-01T00:00:00Z")
    add(results, "new", date="2026-11-02T00:00:00Z")
    assert faults(results, per_month=1) == []
    git(results, "rm", "-r", "new")
    git(results, "commit", "-m", "gone")
    add(results, "new", date="2026-11-03T00:00:00Z")
    assert faults(results, per_month=1)


def test_what_was_removed_still_counts(results: Path) -> None:
    add(results, "a", date="2026-11-02T00:00:00Z")
    add(results, "other", model="Else", contact="else@example.org", date="2026-11-02T00:00:00Z")
    git(results, "rm", "-r", "a")
    git(results, "commit", "-m", "gone")
    assert faults(results, per_month=1)


def test_a_merged_commit_counts_when_it_was_merged_whatever_its_date(results: Path) -> None:
    add(results, "start", model="Else", contact="else@example.org", date="2026-09-01T00:00:00Z")
    git(results.parent, "switch", "-c", "theirs")
    add(results, "backdated", date="2020-01-01T00:00:00Z")
    git(results.parent, "switch", "main")
    git(results.parent, "merge", "--no-ff", "-m", "merge", "theirs", date="2026-11-04T00:00:00Z")
    assert faults(results, per_month=1)


def test_a_history_of_hostile_files_counts_for_nobody(results: Path) -> None:
    for number, content in enumerate((b"\xff\xfe", b"name = [", b'name = "Model"\ncontact = "' + b"x" * 100_000, b"")):
        folder = results / f"{'0' * 40} 9999999999 {number}\n"
        folder.mkdir()
        (folder / "submission.toml").write_bytes(content)
    git(results, "add", ".")
    git(results, "commit", "-m", "hostile")
    assert faults(results, per_month=1) == []


def test_a_folder_without_history_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(GonerdError, match="no Git history"):
        faults(tmp_path, per_month=1)
    with pytest.raises(GonerdError, match="needs --accepted"):
        verify_all([], large_gold(), policy=VerifyPolicy(per_month=1))


def test_the_limit_is_part_of_the_verification(submit, gold, results: Path) -> None:
    add(results, "a", model="Mine", date=datetime.now(UTC).isoformat())
    new = submit("mine", wrong(d1=1), name="Mine", contact="new@example.org")
    (done,) = verify_all([new], gold, policy=VerifyPolicy(accepted=results, per_month=1))
    assert set(failed(done)) == {"rate"}
