"""Three help texts. Nothing in the database changes."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("bookings", "0049_let_dispatchers_clear_blackouts"),
    ]

    operations = [
        migrations.AlterField(
            model_name="blackout",
            name="opened_at",
            field=models.DateTimeField(
                blank=True, help_text="When it was opened again. Empty: it is in force.", null=True
            ),
        ),
        migrations.AlterField(
            model_name="blackout",
            name="worker",
            field=models.CharField(blank=True, help_text="Empty: all workers of the area.", max_length=200),
        ),
        migrations.AlterField(
            model_name="refusal",
            name="error",
            field=models.CharField(help_text="The error code of the answer.", max_length=40),
        ),
    ]
