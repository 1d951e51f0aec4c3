"""Making, changing, closing and importing appointment slots, plans, blackouts and absences.

Nothing here takes a place of a slot: that is services. For admin, api and management.
"""
