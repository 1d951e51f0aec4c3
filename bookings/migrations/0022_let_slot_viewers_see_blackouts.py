"""Whoever may see slots may see the blackouts that hide them. Safe to repeat.

Closing and lifting go by the permission to close slots, which is granted already.
"""

from importlib import import_module

from django.db import migrations

roles = import_module("bookings.migrations.0013_make_the_roles")


def grant(apps, schema_editor):
    see_slots = roles._permission(apps, "appointmentslot", "view_appointmentslot")
    see_blackouts = roles._permission(apps, "blackout", "view_blackout")
    for group in apps.get_model("auth", "Group").objects.filter(permissions=see_slots):
        group.permissions.add(see_blackouts)
    for user in apps.get_model("auth", "User").objects.filter(user_permissions=see_slots):
        user.user_permissions.add(see_blackouts)


class Migration(migrations.Migration):
    dependencies = [("bookings", "0021_let_housekeeping_forget")]

    operations = [migrations.RunPython(grant, migrations.RunPython.noop)]
