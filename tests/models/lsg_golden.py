"""The reference outputs of LSG attention: what is computed, and the script that computes it.

The reference code (`lsg-converter` 0.1.9) runs with transformers 4.44 alone, so its outputs are kept in
`lsg_golden.safetensors`. The models are small, their weights are drawn here, and only a sample of the rows is kept.
To make the file again, in an environment of its own:

    python -m venv lsg && lsg/bin/python -m pip install torch==2.13.0 transformers==4.44.2 lsg-converter==0.1.9
    lsg/bin/python tests/models/lsg_golden.py
"""

import json
from pathlib import Path

import numpy as np

GOLDEN = Path(__file__).with_suffix(".safetensors")
BEGIN, PAD, END = 0, 1, 2
VOCABULARY, WIDTH, LAYERS, HEADS, INNER, LABELS, GLOBAL_ROWS = 60, 32, 2, 4, 48, 4, 512
EVERY_LENGTH = (1, 2, 63, 64, 65, 511, 512, 513, 700, 705, 1024, 1500, 4096)
SOME_LENGTHS = (1, 64, 65, 129, 300, 700)
GRADIENT_LENGTH = 300

# What differs from the published checkpoints' configuration; `published` is run at every length, the others at some.
CASES = {
    "published": {},
    "several_globals": {"block_size": 64, "sparse_block_size": 64, "sparsity_factor": 4, "num_global_tokens": 5},
    "narrow_sparse": {"block_size": 64, "sparse_block_size": 32, "sparsity_factor": 4},
    "wide_sparse": {"block_size": 32, "sparse_block_size": 72, "sparsity_factor": 2},
    "no_sparse": {"block_size": 64, "sparse_block_size": 0},
    "every_key": {"block_size": 32, "sparse_block_size": 32, "sparsity_factor": 1},
    "first_token_masked": {"block_size": 32, "sparse_block_size": 32, "mask_first_token": True},
    "own_first_token": {"block_size": 32, "sparse_block_size": 32, "pool_with_global": False},
}


def lengths_of(case: str) -> tuple[int, ...]:
    """Return the lengths that a case is run at."""
    return EVERY_LENGTH if case == "published" else SOME_LENGTHS


def config_of(case: str) -> dict:
    """Return `config.json` of a case, with the keys of the published LSG-RoBERTa checkpoints."""
    return {
        "model_type": "roberta",
        "architectures": ["LSGRobertaForTokenClassification"],
        "auto_map": {"AutoModelForTokenClassification": "modeling_lsg_roberta.LSGRobertaForTokenClassification"},
        "vocab_size": VOCABULARY,
        "hidden_size": WIDTH,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "intermediate_size": INNER,
        "max_position_embeddings": max(EVERY_LENGTH) + PAD + 1,
        "type_vocab_size": 1,
        "layer_norm_eps": 1e-5,
        "hidden_act": "gelu",
        "bos_token_id": BEGIN,
        "pad_token_id": PAD,
        "eos_token_id": END,
        "id2label": {str(number): f"L{number}" for number in range(LABELS)},
        "label2id": {f"L{number}": number for number in range(LABELS)},
        "adaptive": True,
        "base_model_prefix": "lsg",
        "block_size": 128,
        "lsh_num_pre_rounds": 1,
        "mask_first_token": False,
        "num_global_tokens": 1,
        "pool_with_global": True,
        "sparse_block_size": 128,
        "sparsity_factor": 2,
        "sparsity_type": "norm",
    } | CASES[case]


def shapes() -> dict[str, tuple[int, ...]]:
    """Return the names and shapes of the weights, as the reference code saves them."""
    embeddings, square = "roberta.embeddings", (WIDTH, WIDTH)
    found = {
        f"{embeddings}.word_embeddings.weight": (VOCABULARY, WIDTH),
        f"{embeddings}.position_embeddings.weight": (max(EVERY_LENGTH) + PAD + 1, WIDTH),
        f"{embeddings}.token_type_embeddings.weight": (1, WIDTH),
        f"{embeddings}.global_embeddings.weight": (GLOBAL_ROWS, WIDTH),
        f"{embeddings}.LayerNorm.weight": (WIDTH,),
        f"{embeddings}.LayerNorm.bias": (WIDTH,),
        "classifier.weight": (LABELS, WIDTH),
        "classifier.bias": (LABELS,),
    }
    linear = {f"attention.self.{name}": square for name in ("query", "key", "value")} | {
        "attention.output.dense": square,
        "intermediate.dense": (INNER, WIDTH),
        "output.dense": (WIDTH, INNER),
    }
    for layer in (f"roberta.encoder.layer.{number}" for number in range(LAYERS)):
        for name, shape in linear.items():
            found |= {f"{layer}.{name}.weight": shape, f"{layer}.{name}.bias": shape[:1]}
        for name in ("attention.output.LayerNorm", "output.LayerNorm"):
            found |= {f"{layer}.{name}.weight": (WIDTH,), f"{layer}.{name}.bias": (WIDTH,)}
    return found


def weights() -> dict[str, np.ndarray]:
    """Return the weights of every case; NumPy keeps the stream of this generator the same for ever."""
    draw = np.random.RandomState(2311)
    found = {}
    for name, shape in shapes().items():
        values = draw.standard_normal(shape)
        if "LayerNorm.weight" in name:
            values = 1 + 0.2 * values
        elif len(shape) > 1 and "embeddings" not in name:  # attention far from uniform
            values *= (2.0 if ".query." in name or ".key." in name else 1.0) / np.sqrt(shape[1])
        elif len(shape) == 1:
            values *= 0.2
        found[name] = values.astype(np.float32)
    return found


def inputs(length: int) -> np.ndarray:
    """Return a document of that many sub-tokens, special tokens included."""
    ids = np.random.RandomState(length).randint(END + 1, VOCABULARY, size=length)
    ids[0] = BEGIN
    if length > 1:
        ids[-1] = END
    return ids


def kept_rows(length: int, most: int) -> np.ndarray:
    """Return the rows of an output that the file keeps: all, or `most` evenly spread ones."""
    return np.unique(np.linspace(0, length - 1, min(length, most)).round().astype(int))


def rows_of(case: str, length: int) -> np.ndarray:
    """Return the rows that the file keeps of a case at a length."""
    return kept_rows(length, 80 if case == "published" else 28)


def direction(length: int) -> np.ndarray:
    """Return what the last hidden states are multiplied with to get one number, whose gradient is compared."""
    return np.random.RandomState(7).standard_normal((length, WIDTH)).astype(np.float32)


GRADIENTS = ("roberta.embeddings.global_embeddings.weight", "roberta.encoder.layer.0.attention.self.key.weight")


def main() -> None:
    """Run the reference on every case and length, one document at a time, and write the file."""
    import torch
    from lsg_converter.roberta.modeling_lsg_roberta import LSGRobertaConfig, LSGRobertaForTokenClassification
    from safetensors.numpy import save_file

    found = {}
    for case in CASES:
        model = LSGRobertaForTokenClassification(LSGRobertaConfig(**config_of(case))).eval()
        model.load_state_dict({name: torch.from_numpy(values) for name, values in weights().items()}, strict=True)
        for length in lengths_of(case):
            with torch.no_grad():
                output = model(torch.from_numpy(inputs(length))[None], output_hidden_states=True)
                hidden = model.roberta(torch.from_numpy(inputs(length))[None]).last_hidden_state
            rows = rows_of(case, length)
            found[f"{case}.{length}.logits"] = output.logits[0, rows].numpy()
            found[f"{case}.{length}.hidden"] = hidden[0, rows].numpy()
        if case == "published":
            hidden = model.roberta(torch.from_numpy(inputs(GRADIENT_LENGTH))[None]).last_hidden_state
            (hidden[0] * torch.from_numpy(direction(GRADIENT_LENGTH))).sum().backward()
            named = dict(model.named_parameters())
            for name in GRADIENTS:
                found[f"gradient.{name}"] = named[name].grad[:WIDTH].numpy()
    versions = {"lsg-converter": "0.1.9", "transformers": "4.44.2", "torch": torch.__version__, "numpy": np.__version__}
    save_file(found, GOLDEN, metadata={"versions": json.dumps(versions)})
    GOLDEN.chmod(0o644)  # safetensors writes for the owner alone


if __name__ == "__main__":
    main()
