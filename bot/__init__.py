"""Meets the outside world."""
