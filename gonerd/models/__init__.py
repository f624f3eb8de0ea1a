"""Encoders and their checkpoints."""
