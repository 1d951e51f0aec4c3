"""What staff see first, the board, and what supervisors read, the page of numbers."""
