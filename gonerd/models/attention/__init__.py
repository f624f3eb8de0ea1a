"""Attentions: patterns of which keys a query sees, and the engine that computes them."""
