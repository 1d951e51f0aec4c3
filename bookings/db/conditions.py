"""What a check of one row says differently on each database; nothing of it needs a function that only Django has."""

from typing import Any

from django.db.models import BooleanField, F, Func


class EndsWithinADay(Func):
    """A slot is 24 hours long at most, by the hours that pass."""

    output_field = BooleanField()

    def __init__(self, start: Any = "start", end: Any = "end", **more: Any) -> None:
        super().__init__(*(F(each) if isinstance(each, str) else each for each in (start, end)), **more)

    def as_sql(self, compiler: Any, connection: Any, *rest: Any, **more: Any) -> Any:
        (start, first), (end, second) = (compiler.compile(each) for each in self.get_source_expressions())
        if connection.vendor == "postgresql":
            return f"({end} - {start} <= INTERVAL '24 hours')", [*second, *first]
        # Days as floating point numbers: exact to a tenth of a second.
        return f"(julianday({end}) - julianday({start}) <= 1.000001)", [*second, *first]


class LooksLikeATimeZone(Func):
    """A name such as IANA gives; whether it exists is for clock.time_zone_problem to say."""

    output_field = BooleanField()

    def __init__(self, name: Any = "time_zone", **more: Any) -> None:
        super().__init__(F(name) if isinstance(name, str) else name, **more)

    def as_sql(self, compiler: Any, connection: Any, *rest: Any, **more: Any) -> Any:
        ((name, values),) = (compiler.compile(each) for each in self.get_source_expressions())
        if connection.vendor == "postgresql":
            return f"({name} ~ '^[A-Z][A-Za-z0-9_+/-]*$' AND {name} <> 'Factory')", [*values, *values]
        form = f"{name} GLOB '[A-Z]*' AND {name} NOT GLOB '*[^A-Za-z0-9_+/-]*' AND {name} <> 'Factory'"
        return f"({form})", [*values, *values, *values]
