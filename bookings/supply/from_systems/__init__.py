"""Slots, areas, workers and types of orders as other systems know them, in files and over the API."""
