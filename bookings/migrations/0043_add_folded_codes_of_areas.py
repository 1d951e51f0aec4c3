"""What the codes of areas are compared by, which the next migration fills. Empty columns take no time and no lock."""

from django.db import migrations

from bookings.db import codes


class Migration(migrations.Migration):
    dependencies = [("bookings", "0042_deliver_to_receivers")]

    operations = [
        migrations.AddField("areacode", "folded", codes.FoldedCode(null=True, editable=False)),
        migrations.AddField("servicearea", "folding", codes.CodeFolding(null=True, editable=False)),
    ]
