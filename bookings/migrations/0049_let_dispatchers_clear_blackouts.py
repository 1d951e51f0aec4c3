"""Dispatchers and supervisors may close for a time and move the bookings in it, and book what was refused.

Beside a live service: a permission is a row, and no table changes.
"""

from django.db import migrations

from bookings.db.migrating import permission


def grant(apps, schema_editor):
    """Safe to repeat. A role that was removed is not made again."""
    for group in apps.get_model("auth", "Group").objects.filter(name__in=["dispatcher", "supervisor"]):
        for model, codename in (("blackout", "clear_blackout"), ("refusal", "book_refusal")):
            group.permissions.add(permission(apps, model, codename))


class Migration(migrations.Migration):
    dependencies = [("bookings", "0048_say_what_a_receiver_does_not_do")]

    operations = [
        migrations.AlterModelOptions(
            name="blackout",
            options={
                "ordering": ["start", "pk"],
                "permissions": [("clear_blackout", "Can close for a time and move the bookings")],
            },
        ),
        migrations.AlterModelOptions(
            name="refusal",
            options={"ordering": ["-pk"], "permissions": [("book_refusal", "Can book what was refused")]},
        ),
        migrations.RunPython(grant, migrations.RunPython.noop),
    ]
