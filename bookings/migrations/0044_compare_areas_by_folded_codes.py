"""Codes of areas are compared as Python folds them, so that letters beyond A to Z count alike on both databases.

Codes that are the same when folded would name two areas: the migration stops before it writes anything, and names them.

The release before this one, and whatever else writes areas by SQL, leaves the folded code out: then the triggers put
the database's own folding there, which is the same for letters from A to Z. A migration that makes the tables of
areas or of their codes anew on SQLite has to call `guard` again afterwards.
"""

from collections import defaultdict
from importlib import import_module

from django.core.management.base import CommandError
from django.db import migrations

from bookings.db.codes import fold, folding_of
from bookings.db.migrating import statements

before = import_module("bookings.migrations.0032_name_areas_by_several_codes")

FOLDED = """CASE WHEN substr(NEW.folding, 1, length(NEW.code) + 1) = NEW.code || {line}
    THEN substr(NEW.folding, length(NEW.code) + 2) ELSE lower(trim(NEW.code)) END"""

POSTGRESQL = """
CREATE OR REPLACE FUNCTION bookings_area_keeps_its_code() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    folded_code text;
BEGIN
    IF TG_OP = 'DELETE' THEN
        DELETE FROM bookings_areacode WHERE area_id = OLD.id;
        RETURN OLD;
    END IF;
    folded_code := FOLDED;
    IF TG_OP = 'UPDATE' THEN
        DELETE FROM bookings_areacode WHERE area_id = NEW.id AND (NOT is_alias OR folded = folded_code);
    END IF;
    INSERT INTO bookings_areacode (area_id, code, folded, is_alias) VALUES (NEW.id, NEW.code, folded_code, false);
    RETURN NEW;
END $$;
CREATE OR REPLACE FUNCTION bookings_area_code_is_folded() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.folded := lower(trim(NEW.code));
    RETURN NEW;
END $$;
CREATE TRIGGER area_code_is_folded BEFORE INSERT ON bookings_areacode
    FOR EACH ROW WHEN (NEW.folded IS NULL) EXECUTE FUNCTION bookings_area_code_is_folded();
""".replace("FOLDED", FOLDED.format(line="chr(10)"))
POSTGRESQL_BACK = """
DROP TRIGGER area_code_is_folded ON bookings_areacode;
DROP FUNCTION bookings_area_code_is_folded();
"""
# The function of before, without its triggers, which stay.
POSTGRESQL_BEFORE = before.POSTGRESQL[: before.POSTGRESQL.index("CREATE TRIGGER")]
SQLITE = """
DROP TRIGGER IF EXISTS area_adds_its_code
--
DROP TRIGGER IF EXISTS area_changes_its_code
--
DROP TRIGGER IF EXISTS area_removes_its_codes
--
DROP TRIGGER IF EXISTS area_code_is_folded
--
CREATE TRIGGER area_adds_its_code AFTER INSERT ON bookings_servicearea
    BEGIN
        INSERT INTO bookings_areacode (area_id, code, folded, is_alias) VALUES (NEW.id, NEW.code, FOLDED, 0);
    END
--
CREATE TRIGGER area_changes_its_code AFTER UPDATE OF code ON bookings_servicearea WHEN NEW.code <> OLD.code
    BEGIN
        DELETE FROM bookings_areacode WHERE area_id = NEW.id AND (NOT is_alias OR folded = FOLDED);
        INSERT INTO bookings_areacode (area_id, code, folded, is_alias) VALUES (NEW.id, NEW.code, FOLDED, 0);
    END
--
CREATE TRIGGER area_removes_its_codes BEFORE DELETE ON bookings_servicearea
    BEGIN DELETE FROM bookings_areacode WHERE area_id = OLD.id; END
--
CREATE TRIGGER area_code_is_folded AFTER INSERT ON bookings_areacode WHEN NEW.folded IS NULL
    BEGIN UPDATE bookings_areacode SET folded = lower(trim(code)) WHERE id = NEW.id; END
""".replace("FOLDED", FOLDED.format(line="char(10)"))
SQLITE_BACK = """
DROP TRIGGER area_code_is_folded
"""


guard = statements(POSTGRESQL, SQLITE)
unguard = statements(POSTGRESQL_BACK + POSTGRESQL_BEFORE, f"{SQLITE_BACK}--{before.SQLITE}")


def fill(apps, schema_editor):
    """With the triggers in place: an area or a code that is added meanwhile waits for this transaction."""
    using = schema_editor.connection.alias
    codes, areas = (apps.get_model("bookings", name).objects.using(using) for name in ("AreaCode", "ServiceArea"))
    by_folded = defaultdict(list)
    for code in codes.order_by("pk"):
        by_folded[fold(code.code)].append(code.code)
    clashes = [" and ".join(map(repr, same)) for _, same in sorted(by_folded.items()) if len(same) > 1]
    if clashes:
        raise CommandError(
            f"These codes of areas differ only in case or blanks around: {'; '.join(clashes)}. From this release on"
            " they would be one code. Give all but one of each another code in the admin (Service areas), then migrate"
            " again. Nothing was changed."
        )
    for code in codes.all():
        codes.filter(pk=code.pk).update(folded=fold(code.code))
    for area in areas.all():
        areas.filter(pk=area.pk).update(folding=folding_of(area.code))


class Migration(migrations.Migration):
    dependencies = [("bookings", "0043_add_folded_codes_of_areas")]

    operations = [
        migrations.RunPython(guard, unguard),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
