"""What is entered once and changes little: areas, workers, types of orders, people who log in."""
