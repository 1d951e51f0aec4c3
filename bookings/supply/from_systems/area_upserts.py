"""Many service areas as another system wants them, with their codes and postcodes: files and the API come here.

The rows are one state to be reached, whatever their order: an alias or the beginning of a postcode that one row gives
up, another row takes in the same transaction, so that no customer is without an area in between. All rows are checked
before the first is written. What was interrupted is simply sent again.
"""

import logging
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, field
from functools import partial
from typing import Literal, NamedTuple, Self, TypeVar

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from bookings.db.codes import fold
from bookings.models import AreaCode, PostcodePrefix, ServiceArea, countries, lies_within
from bookings.supply import by_country, turns
from bookings.supply.by_country import ByCountry
from bookings.supply.from_systems.area_rows import CUTOFF, PROPERTIES, AreaRow, postcode_of
from bookings.supply.from_systems.slot_rows import Unreadable
from bookings.supply.from_systems.upserts import NAMED, Report, Wrote, say_nothing
from bookings.supply.from_systems.waiting_rows import RefusedRow

logger = logging.getLogger("bookings")

# Names that are looked for in one query.
AT_ONCE = 1_000
FIELDS = {field.name: field for field in ServiceArea._meta.concrete_fields}

M = TypeVar("M", AreaCode, PostcodePrefix)
Thing = AreaCode | PostcodePrefix


class Known(NamedTuple):
    """The codes and postcodes that rows name or their areas have: by the folded code, by the prefix and its country,
    by the area.
    """

    codes: dict[str, AreaCode]
    postcodes: dict[str, ByCountry[list[PostcodePrefix]]]
    of_area: dict[int, list[Thing]]
    # For those who see only some areas, one of each prefix that is of another.
    unseen: dict[str, PostcodePrefix]


@dataclass
class Target:
    """What a row comes to: its area with the new values, and what is to be added to it and taken away."""

    row: AreaRow
    area: ServiceArea
    changed: list[str] = field(default_factory=list)
    added: list[Thing] = field(default_factory=list)
    gone: list[Thing] = field(default_factory=list)

    @property
    def outcome(self) -> Literal["created", "changed", "kept"]:
        if not self.area.pk:
            return "created"
        return "changed" if self.changed or self.added or self.gone else "kept"


class Taken(NamedTuple):
    """What rows of a call take: who gives it up leaves it to them, so that it always has an area."""

    codes: set[str]
    postcodes: dict[str, ByCountry[PostcodePrefix]]

    @classmethod
    def by(cls, targets: Iterable[Target]) -> Self:
        taken = cls(set(), defaultdict(dict))
        for thing in (thing for target in targets for thing in target.added):
            if isinstance(thing, AreaCode):
                taken.codes.add(fold(thing.code))
            else:
                taken.postcodes[thing.prefix][countries.code_of(thing.country)] = thing
        return taken

    def has(self, thing: Thing) -> bool:
        if isinstance(thing, AreaCode):
            return thing.folded in self.codes
        return any(by_country.sharing(self.postcodes.get(thing.prefix, {}), thing.country))


class Call(NamedTuple):
    """The rows of one call that are not refused, by the keys of their areas, and whose they are."""

    rows: dict[int, AreaRow]
    areas: Collection[int] | None
    called: str
    wrote: Wrote = say_nothing


def upsert_areas(
    rows: Iterable[AreaRow | Unreadable],
    *,
    by: str,
    strict: bool = False,
    dry_run: bool = False,
    areas: Collection[int] | None = None,
    named: int | None = NAMED,
    called: str = "row",
    wrote: Wrote = say_nothing,
) -> Report:
    """Bring the areas to what the rows say; not inside of a transaction.

    `strict`: where a row is refused, nothing is written; what others make impossible afterwards is refused alone.
    `areas`: the keys of the only ones that may be changed; then none is made. `called`: what messages call a row.
    `wrote` gets the codes of the areas that a transaction writes, within it.
    Raises OperationalError where the database did not give its locks: what was written stays; send the rows again.
    """
    refused, readable = _parted(rows)
    call, targets, reasons = _check(readable, areas, called)
    is_written = not dry_run and not (strict and (refused or reasons))
    if is_written:
        differing = [target for target in targets if target.outcome != "kept"]
        reasons |= _write(differing, call._replace(wrote=wrote))
        written = [target.area.code for target in differing if target.row.number not in reasons]
        if written:
            logger.info("Service areas were written by %r: %s", by, ", ".join(written))
    refused |= _refused(readable, reasons)
    outcomes = [target.outcome for target in targets if target.row.number not in reasons]
    first = sorted(refused.values())
    return Report(
        created=outcomes.count("created"),
        changed=outcomes.count("changed"),
        kept=outcomes.count("kept"),
        refused_count=len(refused),
        refused=first if named is None else first[:named],
        is_written=is_written,
    )


def plan_areas(
    rows: Iterable[AreaRow | Unreadable], *, areas: Collection[int] | None = None, called: str = "row"
) -> tuple[list[Target], list[RefusedRow]]:
    """What `upsert_areas` would do now: what each row comes to, and those that are refused. Locks nothing."""
    refused, readable = _parted(rows)
    _, targets, reasons = _check(readable, areas, called)
    return targets, sorted((refused | _refused(readable, reasons)).values())


def _parted(rows: Iterable[AreaRow | Unreadable]) -> tuple[dict[int, RefusedRow], list[AreaRow]]:
    some = list(rows)
    refused = {row.number: RefusedRow(*row) for row in some if isinstance(row, Unreadable)}
    return refused, [row for row in some if isinstance(row, AreaRow)]


def _refused(rows: Iterable[AreaRow], reasons: dict[int, str]) -> dict[int, RefusedRow]:
    return {row.number: RefusedRow(row.number, row.code, reasons[row.number]) for row in rows if row.number in reasons}


# --- Deciding ----------------------------------------------------------------------------------------------


def _check(
    rows: Sequence[AreaRow], areas: Collection[int] | None, called: str
) -> tuple[Call, list[Target], dict[int, str]]:
    """What the rows come to, and by its number why a row is refused. Locks nothing."""
    known = _known(rows, areas)
    named = {known.codes[fold(row.code)].area_id: row for row in reversed(rows) if fold(row.code) in known.codes}
    call = Call(named, areas, called)
    targets = [_target(row, known) for row in rows]
    reasons = _objections(targets, known, call)
    _refuse_what_is_not_given_up(targets, known, call, reasons)
    return call, [target for target in targets if target.row.number not in reasons], reasons


def _refuse_what_is_not_given_up(targets: Sequence[Target], known: Known, call: Call, reasons: dict[int, str]) -> None:
    """A row that is refused gives nothing up, so those are refused that take it, and so on. Each is looked at once."""
    takers: dict[int, list[Target]] = defaultdict(list)
    for target in targets:
        for thing in target.added:
            for rival in _rivals(thing, target.area, known):
                takers[rival.area_id].append(target)
    refused = [target for target in targets if target.row.number in reasons]
    while refused:
        target = refused.pop()
        if call.rows.get(target.area.pk) is not target.row:
            continue  # another row of the same area gives it up
        del call.rows[target.area.pk]
        for taker in takers.pop(target.area.pk, []):
            if taker.row.number not in reasons and (reason := _objection(taker, known, call)):
                reasons[taker.row.number] = reason
                refused.append(taker)


def _objections(targets: Sequence[Target], known: Known, call: Call) -> dict[int, str]:
    """Why rows are refused, each by its number; of two that are against each other, the later one."""
    reasons: dict[int, str] = {}
    claimed: dict[str, int] = {}
    postcodes: dict[str, dict[str | None, int]] = defaultdict(dict)
    added = (thing for target in targets for thing in target.added if isinstance(thing, PostcodePrefix))
    crowded = by_country.crowded(known.postcodes, ((thing.prefix, thing.country) for thing in added))
    for target in targets:
        number = target.row.number
        # What has no code is refused for that, each by itself.
        first = claimed.setdefault(fold(target.area.code), number) if target.area.code else number
        reason = f"{call.called} {first} has {target.area.code}, too" if first != number else ""
        reason = reason or _crowding(target, crowded) or _objection(target, known, call)
        for thing in target.added:
            if isinstance(thing, AreaCode):
                other = claimed.setdefault(fold(thing.code), number)
            else:
                other = by_country.first_with(postcodes[thing.prefix], thing.country, number)
            if other != number:
                reason = reason or f"{call.called} {other} has {thing}, too"
        if reason:
            reasons[number] = reason
    return reasons


def _crowding(target: Target, crowded: Collection[str]) -> str:
    new = (thing.prefix for thing in target.added if isinstance(thing, PostcodePrefix))
    prefix = next((prefix for prefix in new if prefix in crowded), "")
    return prefix and f"the prefix {prefix} would stand for more than {by_country.MOST} countries"


def _objection(target: Target, known: Known, call: Call) -> str:
    row, area, seen = target.row, target.area, call.areas
    if seen is not None and area.pk not in seen:
        return f"there is no area {row.code!r}"
    needed = {"area": fold(row.code), "name": area.name, "time_zone": area.time_zone}
    if missing := [PROPERTIES[name] for name, value in needed.items() if not value]:
        return f"it lacks {' and '.join(missing)}, which a new area needs"
    try:
        if target.changed or not area.pk:
            area.clean_fields(exclude=["folding"])
        # Each asks the database. What else they check is known here: the code, and what the fields themselves refuse.
        if area.pk and "time_zone" in target.changed:
            area.clean()
        if not set(CUTOFF).isdisjoint(target.changed):
            area.validate_constraints()
        for thing in target.added:
            thing.clean_fields(exclude=["area", "folded"])
    except ValidationError as error:
        return "; ".join(_named(error)).rstrip(".")
    for thing in target.added:
        for rival in _rivals(thing, area, known):
            if not _is_given_up(rival, call):
                whose = str(rival.area) if seen is None or rival.area_id in seen else "another area"
                return f"{rival} belongs to {whose} already"
        # Who may not see an area takes no customers from it, as PostcodePrefix.clean has it.
        heads = lies_within(thing.prefix) if isinstance(thing, PostcodePrefix) and known.unseen else []
        if around := next((known.unseen[head] for head in heads if head in known.unseen), None):
            return f"{thing} lies within {around}, which belongs to another area"
    return ""


def _named(error: ValidationError) -> Iterator[str]:
    """With the property that each is about, where it is about one alone."""
    for name, texts in error.update_error_dict({}).items():
        for text in ValidationError(texts).messages:
            yield f"{PROPERTIES[name]}: {text}" if name in PROPERTIES else text


def _target(row: AreaRow, known: Known) -> Target:
    code = known.codes.get(fold(row.code))
    there = code.area if code else ServiceArea(code=row.code)
    target = Target(row, copy(there))
    for name, text in row.values.items():
        try:
            value = FIELDS[name].to_python(text)
        except ValidationError:
            value = text  # which clean_fields refuses
        if value != getattr(there, name):
            setattr(target.area, name, value)
            target.changed.append(name)
    has = known.of_area.get(there.pk, []) if there.pk else []
    target.added = list(_added(row, target.area, has))
    target.gone = [thing for thing in has if _gives_up(row, thing)]
    return target


def _added(row: AreaRow, area: ServiceArea, has: Sequence[Thing]) -> Iterator[Thing]:
    codes = {fold(area.code)} | {thing.folded for thing in has if isinstance(thing, AreaCode)}
    for folded, alias in (row.aliases or {}).items():
        if folded not in codes:
            yield AreaCode(area=area, code=alias)
    postcodes = {postcode_of(thing) for thing in has if isinstance(thing, PostcodePrefix)}
    for postcode in row.postcodes or ():
        if postcode not in postcodes:
            yield PostcodePrefix(area=area, country=postcode.country, prefix=postcode.prefix)


def _rivals(thing: Thing, area: ServiceArea, known: Known) -> list[Thing]:
    """What stands in the way of a new code or postcode, as AreaCode.clean and PostcodePrefix.rivals have it."""
    if isinstance(thing, AreaCode):
        same = known.codes.get(fold(thing.code))
        return [same] if same and same.area_id != area.pk else []
    same_countries = by_country.sharing(known.postcodes.get(thing.prefix, {}), thing.country)
    return [other for others in same_countries for other in others if other.area_id != area.pk]


def _is_given_up(thing: Thing, call: Call) -> bool:
    row = call.rows.get(thing.area_id)
    return row is not None and (call.areas is None or thing.area_id in call.areas) and _gives_up(row, thing)


def _gives_up(row: AreaRow, thing: Thing) -> bool:
    """Whether the row of the area that has a thing names it no longer."""
    if isinstance(thing, PostcodePrefix):
        return row.postcodes is not None and postcode_of(thing) not in row.postcodes
    return thing.is_alias and row.aliases is not None and thing.folded not in row.aliases


def _known(rows: Sequence[AreaRow], areas: Collection[int] | None) -> Known:
    """Codes first: they say which areas the rows are about."""
    own = {fold(row.code) for row in rows}
    codes = _found(AreaCode, "folded__in", own.union(*(row.aliases or () for row in rows)))
    of_rows = {code.area_id for code in codes if code.folded in own}
    codes += _found(AreaCode, "area__in", of_rows)
    prefixes = {postcode.prefix for row in rows for postcode in row.postcodes or ()}
    if areas is not None:
        prefixes |= {head for prefix in prefixes for head in lies_within(prefix)}
    postcodes = _found(PostcodePrefix, "prefix__in", prefixes) + _found(PostcodePrefix, "area__in", of_rows)
    known = Known(
        {code.folded: code for code in codes},
        defaultdict(lambda: defaultdict(list)),
        defaultdict(list),
        {each.prefix: each for each in reversed(postcodes) if areas is not None and each.area_id not in areas},
    )
    for code in known.codes.values():
        known.of_area[code.area_id].append(code)
    for postcode in {each.pk: each for each in postcodes}.values():
        known.postcodes[postcode.prefix][countries.code_of(postcode.country)].append(postcode)
        known.of_area[postcode.area_id].append(postcode)
    return known


def _found(model: type[M], name: str, values: Iterable[object]) -> list[M]:
    return [
        thing
        for some in turns.in_batches(values, AT_ONCE)
        for thing in model._default_manager.filter(**{name: some}).select_related("area")
    ]


# --- Writing -----------------------------------------------------------------------------------------------


def _write(targets: Sequence[Target], call: Call) -> dict[int, str]:
    """Why rows are refused that others made impossible since they were checked."""
    taken = Taken.by(targets)
    reasons = _write_each(targets, call, taken)
    # What was left to a row that was refused after all.
    rest = [target for target in targets if target.row.number not in reasons and any(map(taken.has, target.gone))]
    return reasons | _write_each(rest, call, Taken.by([]))


def _write_each(targets: Sequence[Target], call: Call, taken: Taken) -> dict[int, str]:
    reasons: dict[int, str] = {}
    pace = turns.Pace()
    for batch in pace.batches(targets, _weight):
        step = partial(_write_batch, [target.row for target in batch], call, taken)
        reasons |= pace.write(step, sum(map(_weight, batch)))
    return reasons


def _weight(target: Target) -> int:
    return 1 + len(target.added) + len(target.gone)


def _write_batch(rows: Sequence[AreaRow], call: Call, taken: Taken) -> dict[int, str]:
    known = _known(rows, call.areas)
    targets = [_target(row, known) for row in rows]
    reasons = _objections(targets, known, call)
    written = []
    for target in targets:
        if target.row.number not in reasons:
            try:
                with transaction.atomic():
                    _write_one(target, known, taken)
                written.append(target.area.code)
            except IntegrityError:
                reasons[target.row.number] = "it was changed at this moment: send it again"
    call.wrote(written)
    return reasons


def _write_one(target: Target, known: Known, taken: Taken) -> None:
    area = target.area
    gone = [thing for thing in target.gone if not taken.has(thing)]
    gone += [rival for thing in target.added for rival in _rivals(thing, area, known)]
    AreaCode.objects.filter(pk__in=[thing.pk for thing in gone if isinstance(thing, AreaCode)]).delete()
    PostcodePrefix.objects.filter(pk__in=[thing.pk for thing in gone if isinstance(thing, PostcodePrefix)]).delete()
    if not area.pk:
        area.save(force_insert=True)
    elif target.changed:
        area.save(update_fields=target.changed)
    AreaCode.objects.bulk_create(thing for thing in target.added if isinstance(thing, AreaCode))
    PostcodePrefix.objects.bulk_create(thing for thing in target.added if isinstance(thing, PostcodePrefix))
