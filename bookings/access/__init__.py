"""Who calls, and who is let in: log-in, sessions, keys of systems, secret addresses of calendars, limits of requests.

What a caller may see of bookings is said by the models. For api, admin and operations.
"""
