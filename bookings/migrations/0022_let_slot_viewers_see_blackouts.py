"""Whoever may see slots may see the blackouts that hide them. Safe to repeat.

Closing and lifting go by the permission to close slots, which is granted already.
"""

from django.db import migrations

from bookings.db.migrating import granting

grant = granting((("appointmentslot", "view_appointmentslot"), ("blackout", "view_blackout")))


class Migration(migrations.Migration):
    dependencies = [("bookings", "0021_let_housekeeping_forget")]

    operations = [migrations.RunPython(grant, migrations.RunPython.noop)]
