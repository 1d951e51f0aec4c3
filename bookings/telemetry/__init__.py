"""What is counted and said: where a change comes from, the log's lines, the counters.

Nothing here asks the database about bookings or answers a request. Anyone may call.
"""
