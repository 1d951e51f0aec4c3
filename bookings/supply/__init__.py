"""Making, changing, closing and importing appointment slots, blackouts and absences; areas, workers, types of orders.

Nothing here takes a place of a slot: that is services. For admin, api and management.
"""
