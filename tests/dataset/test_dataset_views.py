import pickle

import pytest

pytest.importorskip("transformers")

import gonerd
from gonerd.errors import GonerdError
from gonerd.resources import folder

WORDS = ["Anna", "Lund", "'s", "Ålesund", "\u200b", "of", "the", "harbour", "Åre-Östersund", "."] * 7
TAGS = [1, 2, 0, 5, 0, 0, 0, 0, 5, 0] * 7
TEXT = "Anna Lund met the harbour council of Ålesund 's winter bridge. the of a an in Åre-Östersund"


def byte_level(**options):
    """A tokenizer like RoBERTa's, trained on a sentence."""
    from tokenizers import ByteLevelBPETokenizer, processors
    from transformers import PreTrainedTokenizerFast

    made = ByteLevelBPETokenizer(**options)
    made.train_from_iterator([TEXT] * 5, vocab_size=340, min_frequency=1, special_tokens=["<s>", "</s>", "<unk>"])
    made.post_processor = processors.RobertaProcessing(("</s>", 1), ("<s>", 0), add_prefix_space=False)
    backend = made._tokenizer
    backend.post_processor = made.post_processor
    return PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="<unk>", bos_token="<s>", eos_token="</s>")


def word_piece():
    from tokenizers import BertWordPieceTokenizer
    from transformers import PreTrainedTokenizerFast

    made = BertWordPieceTokenizer(lowercase=False)
    made.train_from_iterator([TEXT] * 5, vocab_size=120, min_frequency=1)
    return PreTrainedTokenizerFast(tokenizer_object=made._tokenizer, unk_token="[UNK]")


def unigram():
    from tokenizers import SentencePieceUnigramTokenizer
    from transformers import PreTrainedTokenizerFast

    made = SentencePieceUnigramTokenizer()
    made.train_from_iterator([TEXT] * 5, vocab_size=80, special_tokens=["<unk>"], unk_token="<unk>")
    return PreTrainedTokenizerFast(tokenizer_object=made._tokenizer, unk_token="<unk>")


MAKERS = {
    "byte level": byte_level,
    "byte level with its own space": lambda: byte_level(add_prefix_space=True),
    "word piece": word_piece,
    "unigram": unigram,
}


@pytest.fixture(scope="module", params=MAKERS)
def tokenizer(request):
    return MAKERS[request.param]()


@pytest.mark.parametrize(("max_length", "stride"), [(None, 0), (16, 0), (16, 5), (9, 6), (5000, 7)])
def test_every_word_is_labelled_exactly_once(tokenizer, max_length, stride):
    batch = {"id": ["a", "b", "c"], "tokens": [WORDS, [], WORDS[:3]], "ner_tags": [TAGS, [], TAGS[:3]]}
    rows = gonerd.align_labels(tokenizer, batch, max_length=max_length, stride=stride)
    for name, tags in zip(batch["id"], batch["ner_tags"], strict=True):
        labelled = []
        for place, owner in enumerate(rows["document_id"]):
            if owner != name:
                continue
            ids, words, labels = (rows[column][place] for column in ("input_ids", "word_ids", "labels"))
            assert len(ids) == len(words) == len(labels) == len(rows["attention_mask"][place])
            assert max_length is None or len(ids) <= max_length
            labelled += [(word, label) for word, label in zip(words, labels, strict=True) if label != -100]
        assert [word for word, _ in labelled] == list(range(len(tags)))
        assert [label for _, label in labelled] == tags


@pytest.mark.parametrize(("max_length", "stride"), [(None, 0), (16, 0), (16, 5)])
def test_all_sub_tokens_can_be_labelled(tokenizer, max_length, stride):
    batch = {"id": ["a"], "tokens": [WORDS], "ner_tags": [TAGS]}
    whole = gonerd.align_labels(tokenizer, batch, all_sub_tokens=True)
    rows = gonerd.align_labels(tokenizer, batch, max_length=max_length, stride=stride, all_sub_tokens=True)
    labels = [label for row in rows["labels"] for label in row if label != -100]
    assert labels == [label for label in whole["labels"][0] if label != -100]
    seen = [word for word in whole["word_ids"][0] if word >= 0]
    assert len(labels) == len(seen)
    for position, word in enumerate(seen):
        begins = position == 0 or seen[position - 1] != word
        assert labels[position] == TAGS[word] + (not begins and TAGS[word] % 2)


def test_words_have_the_sub_tokens_of_running_text(tokenizer):
    words = ["the", "harbour", "council", "of", "the", "bridge"]
    rows = gonerd.align_labels(tokenizer, {"tokens": [["Anna", *words]]})
    running = tokenizer("Anna " + " ".join(words), add_special_tokens=False)["input_ids"]
    ours = [number for number, word in zip(rows["input_ids"][0], rows["word_ids"][0], strict=True) if word > 0]
    assert ours == running[-len(ours) :]
    assert len(ours) >= 6
    assert "labels" not in rows


def test_special_tokens_are_where_the_tokenizer_puts_them():
    rows = gonerd.align_labels(byte_level(), {"tokens": [WORDS], "ner_tags": [TAGS]}, max_length=20, stride=4)
    assert len(rows["window"]) > 3
    assert rows["window"] == list(range(len(rows["window"])))
    for ids, words, labels in zip(rows["input_ids"], rows["word_ids"], rows["labels"], strict=True):
        assert (ids[0], ids[-1]) == (0, 1)
        assert (words[0], words[-1], labels[0], labels[-1]) == (-1, -1, -100, -100)


def test_the_callers_tokenizer_stays_as_it_is(tokenizer):
    before = tokenizer.backend_tokenizer.to_str()
    aligner = gonerd.align_labels(tokenizer, max_length=16, stride=4)
    batch = {"tokens": [WORDS], "ner_tags": [TAGS]}
    assert pickle.loads(pickle.dumps(aligner))(batch) == aligner(batch)
    assert tokenizer.backend_tokenizer.to_str() == before


def test_what_cannot_be_aligned_is_one_line():
    class Slow:
        is_fast = False

    with pytest.raises(GonerdError, match="fast tokenizer"):
        gonerd.align_labels(Slow(), {"tokens": [WORDS]})
    with pytest.raises(GonerdError, match="batched=True"):
        gonerd.align_labels(byte_level(), {"tokens": WORDS})
    with pytest.raises(GonerdError, match="some documents have labels"):
        gonerd.align_labels(byte_level(), {"tokens": [WORDS, WORDS], "ner_tags": [TAGS, None]})
    with pytest.raises(GonerdError, match="can not share"):
        gonerd.align_labels(byte_level(), {"tokens": [WORDS]}, max_length=8, stride=6)


def test_the_sentence_view_is_the_same_in_memory_and_streamed():
    folder_ = folder("sample") / "dataset"
    splits = gonerd.load(data_dir=folder_)
    views = gonerd.sentences(splits)
    assert list(views) == list(splits)
    view, split = views["test"], splits["test"]
    assert view.column_names == ["document_id", "sentence_id", "tokens", "ner_tags"]
    assert view.features["ner_tags"].feature.names[1] == "B-PER"
    streamed = gonerd.sentences(gonerd.load(data_dir=folder_, split="test", streaming=True))
    assert list(streamed) == list(view)
    assert view.num_rows == sum(len(row["sentence_starts"]) for row in split)
    for row in split:
        mine = [part for part in view if part["document_id"] == row["id"]]
        assert [part["sentence_id"] for part in mine] == list(range(len(mine)))
        assert [token for part in mine for token in part["tokens"]] == row["tokens"]
        assert all(part["ner_tags"][0] in (0, 1, 3, 5, 7) for part in mine)


def test_sentences_of_documents_without_any_and_of_hidden_labels():
    from datasets import Dataset

    rows = {"id": ["a", "b"], "tokens": [["x", "y", "z"], ["v"]], "sentence_starts": [[0, 1], None]}
    view = gonerd.sentences(Dataset.from_dict(rows))
    assert view["tokens"][:] == [["x"], ["y", "z"], ["v"]]
    assert view.column_names == ["document_id", "sentence_id", "tokens"]
    cut = gonerd.sentences(Dataset.from_dict({**rows, "ner_tags": [[1, 2, 2], [0]]}))
    assert cut["ner_tags"][:] == [[1], [1, 2], [0]]
    null = gonerd.sentences(Dataset.from_dict({**rows, "ner_tags": [None, None]}))  # as they are published
    assert (null["tokens"][:], null["ner_tags"][:]) == (view["tokens"][:], [None, None, None])
    with pytest.raises(GonerdError, match="sentence_starts"):
        gonerd.sentences(cut)


def test_a_split_is_aligned_by_map():
    split = gonerd.load(data_dir=folder("sample") / "dataset", split="test")
    aligner = gonerd.align_labels(byte_level(), max_length=128, stride=32)
    encoded = split.map(aligner, batched=True, remove_columns=split.column_names)
    assert sum(label != -100 for row in encoded["labels"] for label in row) == sum(map(len, split["tokens"]))
