"""One file a channel; each translates its platform into our words and back."""
