"""The board, which staff see first, and the page of numbers for supervisors."""
