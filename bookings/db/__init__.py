"""How rows are read and written past the ORM, replicas, faults, triggers and operations of migrations.

Nothing here knows of bookings. Anyone may call.
"""
