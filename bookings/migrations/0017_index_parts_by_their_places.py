"""The index that becomes the primary key of parts on PostgreSQL (0018)."""

from django.db import migrations

from bookings.db.migrating import statements

CREATE = "CREATE UNIQUE INDEX CONCURRENTLY required_part_place ON bookings_requiredpart (work_order_id, position)"
DROP = "DROP INDEX CONCURRENTLY IF EXISTS required_part_place"


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("bookings", "0016_compress_bodies_more")]

    operations = [migrations.RunPython(statements(CREATE, "SELECT 1"), statements(DROP, "SELECT 1"))]
