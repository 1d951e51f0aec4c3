"""An area may have several codes: its own, which triggers keep in the table of codes, and aliases.

Whatever writes an area, also the release before this one, so keeps the table. Codes that differ in case or blanks
around would name two areas: the migration stops before it writes anything, and names them.

A migration that makes the table of areas anew on SQLite has to call `guard` again afterwards.
"""

from django.core.management.base import CommandError
from django.db import migrations, models
from django.db.models import Count, Q
from django.db.models.deletion import CASCADE
from django.db.models.functions import Lower, Trim

from bookings.db import conditions, online
from bookings.db.migrating import statements

# An alias that becomes the area's own code is taken up by it.
POSTGRESQL = """
CREATE OR REPLACE FUNCTION bookings_area_keeps_its_code() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        DELETE FROM bookings_areacode WHERE area_id = OLD.id;
        RETURN OLD;
    END IF;
    IF TG_OP = 'UPDATE' THEN
        DELETE FROM bookings_areacode
            WHERE area_id = NEW.id AND (NOT is_alias OR lower(trim(code)) = lower(trim(NEW.code)));
    END IF;
    INSERT INTO bookings_areacode (area_id, code, is_alias) VALUES (NEW.id, NEW.code, false);
    RETURN NEW;
END $$;
CREATE TRIGGER area_adds_its_code AFTER INSERT ON bookings_servicearea
    FOR EACH ROW EXECUTE FUNCTION bookings_area_keeps_its_code();
CREATE TRIGGER area_changes_its_code AFTER UPDATE OF code ON bookings_servicearea
    FOR EACH ROW WHEN (NEW.code <> OLD.code) EXECUTE FUNCTION bookings_area_keeps_its_code();
CREATE TRIGGER area_removes_its_codes BEFORE DELETE ON bookings_servicearea
    FOR EACH ROW EXECUTE FUNCTION bookings_area_keeps_its_code();
"""
POSTGRESQL_BACK = """
DROP TRIGGER area_adds_its_code ON bookings_servicearea;
DROP TRIGGER area_changes_its_code ON bookings_servicearea;
DROP TRIGGER area_removes_its_codes ON bookings_servicearea;
DROP FUNCTION bookings_area_keeps_its_code();
"""
SQLITE = """
DROP TRIGGER IF EXISTS area_adds_its_code
--
DROP TRIGGER IF EXISTS area_changes_its_code
--
DROP TRIGGER IF EXISTS area_removes_its_codes
--
CREATE TRIGGER area_adds_its_code AFTER INSERT ON bookings_servicearea
    BEGIN INSERT INTO bookings_areacode (area_id, code, is_alias) VALUES (NEW.id, NEW.code, 0); END
--
CREATE TRIGGER area_changes_its_code AFTER UPDATE OF code ON bookings_servicearea WHEN NEW.code <> OLD.code
    BEGIN
        DELETE FROM bookings_areacode
            WHERE area_id = NEW.id AND (NOT is_alias OR lower(trim(code)) = lower(trim(NEW.code)));
        INSERT INTO bookings_areacode (area_id, code, is_alias) VALUES (NEW.id, NEW.code, 0);
    END
--
CREATE TRIGGER area_removes_its_codes BEFORE DELETE ON bookings_servicearea
    BEGIN DELETE FROM bookings_areacode WHERE area_id = OLD.id; END
"""
SQLITE_BACK = """
DROP TRIGGER area_adds_its_code
--
DROP TRIGGER area_changes_its_code
--
DROP TRIGGER area_removes_its_codes
"""


def refuse_clashes(apps, schema_editor):
    areas = apps.get_model("bookings", "ServiceArea").objects.using(schema_editor.connection.alias)
    areas = areas.order_by().annotate(folded=Lower(Trim("code")))
    twice = areas.values("folded").annotate(number=Count("pk")).filter(number__gt=1).values_list("folded", flat=True)
    if twice := sorted(twice):
        clashes = "; ".join(
            " and ".join(
                repr(code) for code in areas.filter(folded=folded).order_by("pk").values_list("code", flat=True)
            )
            for folded in twice
        )
        raise CommandError(
            f"These codes of areas differ only in case or blanks around: {clashes}. From this release on they would be"
            " one code. Give all but one of each another code in the admin (Service areas), then migrate again."
            " Nothing was changed."
        )


def fill(apps, schema_editor):
    """With the trigger in place: an area that is added meanwhile waits for this transaction."""
    schema_editor.execute(
        "INSERT INTO bookings_areacode (area_id, code, is_alias) SELECT id, code, %s FROM bookings_servicearea", [False]
    )


guard = statements(POSTGRESQL, SQLITE)
unguard = statements(POSTGRESQL_BACK, SQLITE_BACK)


class Migration(migrations.Migration):
    dependencies = [("bookings", "0031_index_work_orders_by_customer")]

    operations = [
        migrations.RunPython(refuse_clashes, migrations.RunPython.noop),
        migrations.AlterField(
            model_name="servicearea",
            name="code",
            field=models.CharField(
                help_text="What ServiceMobility sends as Location.ServiceAreaID. Case and blanks around do not matter.",
                max_length=200,
                unique=True,
            ),
        ),
        migrations.AlterField(
            model_name="postcodeprefix",
            name="country",
            field=models.CharField(
                blank=True, help_text="GB, GBR and United Kingdom are the same. Empty: any country.", max_length=200
            ),
        ),
        # On SQLite this makes the table of areas anew, so before its triggers.
        online.AddConstraintOnline(
            "servicearea",
            models.CheckConstraint(
                condition=conditions.LooksLikeATimeZone(), name="service_area_time_zone_has_its_form"
            ),
        ),
        migrations.CreateModel(
            name="AreaCode",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "area",
                    models.ForeignKey(on_delete=CASCADE, related_name="codes", to="bookings.servicearea"),
                ),
                (
                    "code",
                    models.CharField(
                        help_text="Another code of ServiceMobility's for this area. Case and blanks around do not"
                        " matter.",
                        max_length=200,
                    ),
                ),
                ("is_alias", models.BooleanField(db_default=True, default=True, editable=False)),
            ],
            options={
                "ordering": ["code"],
                "constraints": [
                    models.UniqueConstraint(
                        Lower(Trim("code")),
                        name="area_code_names_one_area",
                        violation_error_message="An area has this code already, as its own or as an alias; case and"
                        " blanks around do not matter.",
                    ),
                    models.UniqueConstraint(
                        condition=Q(is_alias=False), fields=("area",), name="area_code_one_of_its_own"
                    ),
                    models.CheckConstraint(condition=~Q(code=""), name="area_code_is_not_empty"),
                ],
            },
        ),
        migrations.RunPython(guard, unguard),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
