"""The sums of the weeks that were counted before there were any. Beside a live service: a short transaction a week.

Safe to repeat. What the release before changes afterwards in the sums of the days is put right by update_numbers.
"""

from datetime import timedelta

from django.db import migrations, transaction
from django.db.models import Max, Min

COLUMNS = "week, level, kind, area_id, order_type, key, number, places"
# All kinds are named so that the days are found by the index.
KINDS = "'places', 'reasons', 'people', 'refusals', 'nothing', 'review', 'lead', 'free'"
SUMS = f"key, SUM(number), SUM(places) FROM bookings_dailysum WHERE kind IN ({KINDS}) AND day BETWEEN %s AND %s"
# As the days have it, without order types, and without areas as well; of what is free no sum says anything.
FILL = f"""
    INSERT INTO bookings_weeklysum ({COLUMNS})
    SELECT %s, 0, kind, area_id, order_type, {SUMS} GROUP BY kind, area_id, order_type, key
    UNION ALL SELECT %s, 1, kind, area_id, '', {SUMS} AND kind <> 'free' GROUP BY kind, area_id, key
    UNION ALL SELECT %s, 2, kind, CAST(NULL AS bigint), '', {SUMS} AND kind <> 'free' GROUP BY kind, key
"""


def fill(apps, schema_editor):
    days = apps.get_model("bookings", "DailySum").objects.aggregate(first=Min("day"), last=Max("day"))
    if days["first"] is None:
        return
    week = days["first"] - timedelta(days=days["first"].weekday())
    while week <= days["last"]:
        fill_week(schema_editor.connection, week)
        week += timedelta(days=7)


def fill_week(connection, week):
    first, last = (connection.ops.adapt_datefield_value(day) for day in (week, week + timedelta(days=6)))
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM bookings_weeklysum WHERE week = %s", [first])
        cursor.execute(FILL, [first, first, last] * 3)


class Migration(migrations.Migration):
    atomic = False
    dependencies = [
        ("bookings", "0023_add_weekly_sums"),
    ]

    operations = [
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
