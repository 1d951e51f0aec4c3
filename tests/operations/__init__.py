"""What operators see and run."""
