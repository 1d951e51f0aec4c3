"""What those who run the service ask: health, readiness, the request log, the doctor.

Nothing here changes a booking. Called by Django and by commands.
"""
