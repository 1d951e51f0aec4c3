"""It held the slots that staff closed alone; slot_hidden has all of them."""

from django.db import migrations

from bookings.db.online import RemoveIndexOnline


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("bookings", "0025_index_hidden_slots")]

    operations = [
        RemoveIndexOnline("appointmentslot", "slot_closed"),
    ]
