"""The service with one thing altered, for tests of races and faults: README.md has a line each."""
