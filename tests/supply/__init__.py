"""Where slots come from, and what happens to bookings when the supply changes."""
