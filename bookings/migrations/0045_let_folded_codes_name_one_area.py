"""No two areas have the same folded code."""

from django.db import migrations, models
from django.db.models import Q

from bookings.db import online


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("bookings", "0044_compare_areas_by_folded_codes")]

    operations = [
        online.AddUniqueIndexOnline(
            "areacode",
            models.UniqueConstraint(
                fields=["folded"], condition=Q(folded__isnull=False), name="area_code_folded_names_one_area"
            ),
        ),
    ]
