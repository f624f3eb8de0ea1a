import pytest
from tiny_models import SCHEME, tiny_checkpoint, tiny_examples

from gonerd.cli.main import main
from gonerd.formats import jsonl
from gonerd.models.checkpoints import describe, load_checkpoint


def test_the_command_line_fine_tunes_and_distils(tmp_path, capsys):
    fields = ("id", "text", "tokens", "token_starts", "ner_tags")
    rows = [{name: getattr(example, name) for name in fields} for example in tiny_examples(4)]
    jsonl.write(tmp_path / "rows.jsonl", rows)
    small = ["--data", str(tmp_path / "rows.jsonl"), "--max-steps", "2", "--batch-tokens", "256", "--device", "cpu"]
    start, teacher, student = (tmp_path / name for name in ("start", "teacher", "student"))
    for command, source, out in (
        ("finetune", tiny_checkpoint(start), teacher),
        ("distill", teacher, student),
    ):
        with pytest.raises(SystemExit) as done:
            main(["model", command, str(source), "--out", str(out), *small])
        assert done.value.code == 0
        assert "strict F1 on validation" in capsys.readouterr().out
    info = describe(student, *load_checkpoint(student, scheme=SCHEME))
    assert (info.layers, info.teacher) == (1, "teacher")
    with pytest.raises(SystemExit) as done:
        main(["model", "finetune", str(start), "--out", str(tmp_path), *small])
    assert done.value.code == 2
    assert "in the way" in capsys.readouterr().err
