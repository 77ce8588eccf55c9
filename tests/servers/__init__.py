"""Small servers that speak a platform's HTTP, so that channels are tested as they will run."""
