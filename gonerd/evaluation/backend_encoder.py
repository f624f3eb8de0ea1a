"""The backend of the checkpoints that gonerd's own encoder knows: whole documents, packed without padding."""

from __future__ import annotations

from gonerd.errors import GonerdError
from gonerd.evaluation.backend_tokens import Engine, Loaded, outputs_of
from gonerd.evaluation.predict import PredictConfig, TokenModel
from gonerd.models.checkpoints import describe, load_tokenizer, output_labels, read_config
from gonerd.models.load import is_known, load_encoder
from gonerd.models.reach import reach_tokens
from gonerd.models.repository import find_checkpoint
from gonerd.models.tagging import packed_forward


def knows(name: str) -> bool:
    """Tell whether the encoder computes what a checkpoint's configuration says."""
    try:
        return is_known(read_config(name))
    except GonerdError:  # the next kind takes it, or says what is wrong with it
        return False


def _load(name: str, device: str, config: PredictConfig) -> Loaded:
    """Return a token-classification checkpoint as the encoder runs it, in packed rows."""
    encoder = load_encoder(name).to(device)
    if encoder.classifier is None:
        raise GonerdError("no token classifier", where=name, remedy="Fine-tune it first: gonerd model finetune")
    if config.precision == "bf16":
        encoder.round_layers()
    settings, tokenizer = read_config(name), load_tokenizer(find_checkpoint(name))
    token_model = TokenModel(
        forward=packed_forward(encoder, precision=config.precision),
        tokenizer=tokenizer,
        labels=output_labels(settings),
        reach=min(encoder.config.reach, reach_tokens(settings, tokenizer) or encoder.config.reach),
        device=device,
        width=encoder.config.width,
    )
    return Loaded(token_model, describe(name, encoder, tokenizer, config=settings), encoder)


ENCODER = Engine("gonerd", outputs_of, _load)
