"""The API for other systems: with keys, for more than search and booking."""
