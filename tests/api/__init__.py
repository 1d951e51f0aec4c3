"""What callers meet at the API: bodies, log-in, limits, errors, the schema and clients made from it."""
