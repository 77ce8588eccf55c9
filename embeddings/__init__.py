"""Vectors; no Vietnamese, no passages."""
