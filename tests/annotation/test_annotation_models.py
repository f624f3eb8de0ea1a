"""Suggestions by trained models: a spaCy pipeline, a checkpoint."""

import pytest

from gonerd import store
from gonerd.annotation.suggest import SuggestConfig, suggest, suggest_folder, suggester
from gonerd.cli.suggesters import KINDS
from gonerd.errors import GonerdError
from gonerd.labels import load_scheme
from gonerd.records import Annotation, Document, Span

spacy = pytest.importorskip("spacy")

TEXT = "😀 In May the Tarnby Bank's board met Dr. Ann Holt."
DOCUMENTS = [Document(f"d{number}", f"{number}. {TEXT} " * (1 + number % 3), "s") for number in range(11)]


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory):
    """A pipeline that finds what a trained one would, in its labels and with its edges."""
    nlp = spacy.blank("en")
    ruler = nlp.add_pipe("entity_ruler")
    patterns = {"May": "DATE", "the Tarnby Bank's": "ORG", "Dr. Ann Holt": "PERSON"}
    ruler.add_patterns([{"label": label, "pattern": phrase} for phrase, label in patterns.items()])
    folder = tmp_path_factory.mktemp("pipelines") / "tarnby"
    nlp.meta["name"] = "tarnby"
    nlp.to_disk(folder)
    return folder


def test_a_spacy_pipeline_reads_whole_documents_and_its_spans_are_brought_into_the_scheme(pipeline):
    config = SuggestConfig(with_=f"spacy:{pipeline}")
    found = list(suggest(DOCUMENTS, config=config, scheme=load_scheme()))
    assert [one.document_id for one in found] == [document.id for document in DOCUMENTS]
    for document, one in zip(DOCUMENTS, found, strict=True):
        surfaces = [(document.text[span.start : span.end], span.label) for span in one.spans]
        assert surfaces == [("Tarnby Bank", "ORG"), ("Ann Holt", "PER")] * document.text.count("Bank")
        assert (one.annotator, one.text_sha256) == ("spacy:tarnby", document.text_sha256)


def test_a_long_document_goes_whole_through_spacy(pipeline):
    text = f"{TEXT} " * 25_000  # more than the million characters at which spaCy stops otherwise
    (one,) = suggest([Document("d", text, "s")], config=SuggestConfig(with_=f"spacy:{pipeline}"), scheme=load_scheme())
    assert len(one.spans) == 50_000
    assert text[one.spans[-1].start : one.spans[-1].end] == "Ann Holt"


def test_a_pipeline_that_is_not_there_or_finds_nothing_of_the_scheme_is_an_error(tmp_path):
    with pytest.raises(GonerdError, match="spaCy can not load it"):
        suggester("spacy:no_such_pipeline", load_scheme())
    with pytest.raises(GonerdError, match="needs the name"):
        suggester("spacy", load_scheme())
    spacy.blank("en").to_disk(tmp_path / "blank")
    with pytest.raises(GonerdError, match="finds no entities"):
        suggester(f"spacy:{tmp_path / 'blank'}", load_scheme())


@pytest.mark.parametrize("batch", [1, 4, 100])
def test_suggestions_do_not_depend_on_portions_or_workers(tmp_path, pipeline, batch):
    store.write_stage(DOCUMENTS, tmp_path / "documents", stage="test", config={})
    config = SuggestConfig(with_=f"spacy:{pipeline}", batch=batch)
    seen = []
    for workers in (1, 2) if batch == 4 else (1,):
        suggest_folder(
            tmp_path / "documents", tmp_path / str(workers), config=config, kinds=KINDS, workers=workers,
            progress=lambda *at: seen.append(at),
        )  # fmt: skip
        found = list(store.read_records(tmp_path / str(workers), Annotation))
        assert found == list(suggest(DOCUMENTS, config=config, scheme=load_scheme()))
    portions = -(-len(DOCUMENTS) // batch)
    assert seen[-1] == (portions, portions)
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []


def test_a_second_run_leaves_the_portions_of_the_first_alone(tmp_path, monkeypatch):
    from gonerd import processes

    monkeypatch.setattr(processes, "PATIENCE", 0.0)
    store.write_stage(DOCUMENTS, tmp_path / "documents", stage="test", config={})
    (tmp_path / ".out.portions").mkdir()
    (tmp_path / ".out.portions" / "000000.jsonl").write_text("of the first")
    with (
        processes.locked(tmp_path / ".out.portions.lock", owner=tmp_path / "out"),
        pytest.raises(GonerdError, match="another process is writing this output"),
    ):
        suggest_folder(tmp_path / "documents", tmp_path / "out", config=SuggestConfig())
    assert (tmp_path / ".out.portions" / "000000.jsonl").read_text() == "of the first"


def test_a_broken_off_run_does_not_do_finished_portions_again(tmp_path):
    store.write_stage(DOCUMENTS, tmp_path / "documents", stage="test", config={})
    done = []

    def maker(_argument, scheme):
        def predict(documents):
            for document in documents:
                if document.id == "d7" and len(done) < 8:
                    raise KeyboardInterrupt
                done.append(document.id)
                yield Annotation(document.id, document.text_sha256, "x", scheme.name, (Span(0, 1, "PER"),))

        return predict

    config = SuggestConfig(with_="x", batch=3)
    with pytest.raises(KeyboardInterrupt):
        suggest_folder(tmp_path / "documents", tmp_path / "out", config=config, kinds={"x": maker})
    done.append("broken off")
    suggest_folder(tmp_path / "documents", tmp_path / "out", config=config, kinds={"x": maker})
    first, second = done[: done.index("broken off")], done[done.index("broken off") + 1 :]
    assert first == [f"d{number}" for number in range(7)]
    assert second == [f"d{number}" for number in range(6, 11)]
    assert len(list(store.read_records(tmp_path / "out", Annotation))) == 11
    with pytest.raises(GonerdError, match="portions of 0"):
        SuggestConfig(batch=0)


def test_a_checkpoint_reads_documents_longer_than_its_reach(tmp_path):
    pytest.importorskip("transformers")

    from tiny_models import tiny_checkpoint

    checkpoint = tiny_checkpoint(tmp_path / "tiny")
    documents = [Document("long", f"{TEXT} " * 40, "s"), Document("short", "Bye.", "s")]
    config = SuggestConfig(with_=f"model:{checkpoint}")
    found = list(suggest(documents, config=config, scheme=load_scheme(), kinds=KINDS))
    assert [one.document_id for one in found] == ["long", "short"]
    assert found[0].spans[-1].end > len(TEXT) * 39
    assert list(suggest(documents[::-1], config=config, scheme=load_scheme(), kinds=KINDS)) == found[::-1]
    with pytest.raises(GonerdError, match="needs a checkpoint"):
        suggester("model", load_scheme(), kinds=KINDS)
