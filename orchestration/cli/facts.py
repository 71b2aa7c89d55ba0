"""Options of commands for the facts of a site, one each, and how a text becomes a fact."""

import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer

WORDS = (
    "name time_zone country currency heating appliances price_zone carbon_zone tariff_id weather_station_id"
).split()  # fmt: skip
FIGURES = (
    "latitude longitude floor_area_m2 pv_capacity_kw pv_tilt_degrees pv_azimuth_degrees battery_capacity_kwh battery_power_kw fuse_a "
    "grid_limit_kw"
).split()
COUNTS = ("occupants",)
SITE_FACTS = (*WORDS, *FIGURES, *COUNTS)
NOTHING = ""


def with_site_facts(command: Callable[..., None]) -> Callable[..., None]:
    """The command with an option for each fact of a site; those given reach it in its parameter `facts`, an empty one as null."""
    own = inspect.signature(command)
    options = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[str | None, typer.Option()])
        for name in SITE_FACTS
    ]

    def with_options(**given: Any) -> None:
        facts = {name: as_fact(name, text) for name in SITE_FACTS if (text := given.pop(name)) is not None}
        command(facts=facts, **given)

    kept = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own.parameters.values() if parameter.name != "facts"]
    with_options.__signature__ = own.replace(parameters=[*kept, *options])  # pyright: ignore[reportFunctionMemberAccess]
    with_options.__doc__ = command.__doc__
    with_options.__name__ = command.__name__
    return with_options


def as_fact(name: str, text: str) -> Any:
    """A fact as it was written: null where empty, a number where the fact is one; what is no number stays a text, to be refused."""
    if text.strip() == NOTHING:
        return None
    try:
        return int(text) if name in COUNTS else float(text) if name in FIGURES else text
    except ValueError:
        return text
