"""Encoders and their checkpoints."""

from gonerd.models.load import load_encoder
from gonerd.models.save import save_encoder

__all__ = ["load_encoder", "save_encoder"]
