"""How rows are read and written past the ORM, replicas, triggers and operations of migrations.

Nothing here knows of bookings. Anyone may call.
"""
