"""The documents of the work orders that are there. Short transactions: bookings go on meanwhile."""

from django.db import migrations

from bookings.services import search_terms


def fill(apps, schema_editor):
    search_terms.add_missing(get_model=apps.get_model)


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("bookings", "0028_add_search_documents")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
