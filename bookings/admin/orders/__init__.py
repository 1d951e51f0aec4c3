"""Bookings as dispatch sees them: the list, the page, what is done with them, and what was refused."""
