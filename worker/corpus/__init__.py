"""Corpora: where the documents that a harvest reads come from."""
