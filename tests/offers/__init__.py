"""Which slots are offered and which may be taken."""
