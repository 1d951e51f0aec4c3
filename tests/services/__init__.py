"""What changes a booking: places, moves, histories, what is kept and what is forgotten."""
