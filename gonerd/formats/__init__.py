"""Readers and writers of the formats that annotations and datasets are kept in."""
