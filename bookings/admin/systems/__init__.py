"""Other systems: those that are told of bookings, those that call with a key, calendars."""
