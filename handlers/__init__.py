"""What we do with a message."""
