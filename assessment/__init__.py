"""The monthly self-assessment's rules, in plain Python: no chat, no SQL, no clock of its own."""
