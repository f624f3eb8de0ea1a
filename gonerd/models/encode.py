"""Words to sub-tokens, by the name it has in this room; the dataset aligns labels with the same code."""

from __future__ import annotations

from gonerd.encoding import BATCH, EncodedDocument, Piece, Reach, encode_documents

__all__ = ["BATCH", "EncodedDocument", "Piece", "Reach", "encode_documents"]
