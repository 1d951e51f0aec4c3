"""What can be booked: slots and their places, schedules, and times that are closed."""
