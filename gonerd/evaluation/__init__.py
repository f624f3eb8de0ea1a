"""Predicting whole documents, and the result that states what was measured."""
