"""Tariffs: contracts and the prices of their parts over time."""

import secrets
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, model_validator
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from aurora.accounts.audit import note
from aurora.accounts.database import Accounts
from aurora.accounts.facts import Currency, Facts, Moment, Name, checked
from aurora.accounts.models import Site, Tariff, TariffPrice
from aurora.accounts.priced import keep, prices_of
from aurora.accounts.sites import existing_site
from aurora.errors import Refused, WrongFacts

ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)
MOST_PRICES = 1_000


@dataclass(frozen=True)
class FlatPrices:
    """One price for every hour.

    Attributes:
        import_price_per_kwh: Paid for each kWh from the grid.
        export_price_per_kwh: Received for each kWh to the grid; None where nothing is paid.
        fixed_price_per_day: Standing charge; None where there is none.
    """

    import_price_per_kwh: Decimal
    export_price_per_kwh: Decimal | None = None
    fixed_price_per_day: Decimal | None = None


class Price(Facts):
    """What one part of a contract costs for a time: a kWh that is imported or exported, or a day."""

    part: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_]{0,63}$")]
    direction: Literal["import", "export", "fixed"]
    quantity_unit: Literal["kWh", "day"]
    # Fifteen digits are what SQLite keeps exactly.
    unit_price: Annotated[Decimal, Field(max_digits=15, decimal_places=9, ge=-1_000_000, le=1_000_000, allow_inf_nan=False)]
    valid_from: Moment = ALWAYS
    valid_until: Moment | None = None

    @model_validator(mode="after")
    def _can_be(self) -> "Price":
        if (self.direction == "fixed") != (self.quantity_unit == "day"):
            raise ValueError("a fixed part has the quantity_unit day, the others have kWh")
        if self.valid_until is not None and self.valid_until <= self.valid_from:
            raise ValueError("valid_until must be later than valid_from")
        return self


class Contract(Facts):
    """What a site pays and is paid; it takes the place of the prices there were."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "name": "Flat 2026",
                    "currency": "EUR",
                    "prices": [{"part": "energy", "direction": "import", "quantity_unit": "kWh", "unit_price": "0.3125"}],
                }
            ]
        },
    )

    name: Name
    currency: Currency
    prices: Annotated[list[Price], Field(max_length=MOST_PRICES)]


def contract_of(accounts: Accounts, site_id: str) -> dict[str, Any]:
    """A site's contract: tariff_id, name, currency, prices by part and time; tariff_id null where it has none."""
    with accounts.reading() as session:
        site = session.get(Site, site_id)
        tariff = session.get(Tariff, site.tariff_id) if site and site.tariff_id else None
        return _shown(session, tariff)


def set_contract(
    accounts: Accounts, site_id: str, given: dict[str, Any], priced_parts: Collection[str], by: str | None = None
) -> dict[str, Any]:
    """Make `given` (see `Contract`) the site's contract and return it; a tariff that other sites share is left to them.

    Args:
        accounts: The database.
        site_id: Which site.
        given: The whole contract.
        priced_parts: Parts that published costs of the site are reckoned with; see `aurora.lake.history`.
        by: Who does it.

    Raises:
        WrongFacts: If a price cannot be, or two overlap.
        Conflict: If published costs would lose their price.
        Refused: If there is no such site.
    """
    contract = checked(Contract, given)
    prices = [{"valid_from": ALWAYS, "valid_until": None} | price for price in contract["prices"]]
    _check_overlaps(prices)
    with accounts.transaction() as session:
        site = existing_site(session, site_id)
        held = session.get(Tariff, site.tariff_id) if site.tariff_id else None
        keep(session, site, contract["currency"], prices, priced_parts)
        tariff = _own_tariff(session, site, held)
        tariff.name, tariff.currency = contract["name"], contract["currency"]
        session.execute(delete(TariffPrice).where(TariffPrice.tariff_id == tariff.tariff_id))
        session.add_all(TariffPrice(tariff_id=tariff.tariff_id, **price) for price in prices)
        note(session, "tariff.change", user_id=by, subject=("tariff", tariff.tariff_id), site_id=site_id)
        session.flush()
        return _shown(session, tariff)


def _shown(session: Session, tariff: Tariff | None) -> dict[str, Any]:
    if tariff is None:
        return {"tariff_id": None, "name": None, "currency": None, "prices": []}
    columns = ("part", "direction", "quantity_unit", "unit_price", "valid_from", "valid_until")
    rows = [{column: getattr(price, column) for column in columns} for price in prices_of(session, tariff.tariff_id)]
    return {"tariff_id": tariff.tariff_id, "name": tariff.name, "currency": tariff.currency, "prices": rows}


def _own_tariff(session: Session, site: Site, held: Tariff | None) -> Tariff:
    """The tariff of this site alone: the one it has, or a new one where it has none or shares it."""
    shared = held and session.scalar(select(Site.site_id).where(Site.tariff_id == held.tariff_id, Site.site_id != site.site_id).limit(1))
    if held is not None and not shared:
        return held
    tariff = Tariff(tariff_id=f"{site.site_id[:50]}-{secrets.token_hex(4)}", name="", currency="")
    session.add(tariff)
    session.flush()
    site.tariff_id = tariff.tariff_id
    return tariff


def _check_overlaps(prices: list[dict[str, Any]]) -> None:
    by_part: dict[str, list[tuple[datetime, int]]] = defaultdict(list)
    for index, price in enumerate(prices):
        by_part[price["part"]].append((price["valid_from"], index))
    problems: list[tuple[str, str]] = []
    for part in by_part.values():
        part.sort()
        for (_, index), (begins, later) in pairwise(part):
            before, after = prices[index], prices[later]
            if before["valid_until"] is None or before["valid_until"] > begins:
                problems.append((f"prices.{later}.valid_from", f"begins before prices.{index} of the same part ends"))
            if (before["direction"], before["quantity_unit"]) != (after["direction"], after["quantity_unit"]):
                problems.append((f"prices.{later}.direction", f"differs from that of prices.{index}, which is the same part"))
    if problems:
        raise WrongFacts(problems)


def add_flat_tariff(accounts: Accounts, tariff_id: str, name: str, currency: str, prices: FlatPrices) -> Tariff:
    """Make a tariff with one price for every hour. Raises Refused where the id is taken."""
    tariff = Tariff(tariff_id=tariff_id, name=name, currency=currency)
    parts = [("energy", "import", "kWh", prices.import_price_per_kwh), ("feed_in", "export", "kWh", prices.export_price_per_kwh),
             ("standing_charge", "fixed", "day", prices.fixed_price_per_day)]  # fmt: skip
    with accounts.transaction() as session:
        if session.get(Tariff, tariff_id) is not None:
            raise Refused(f"There is already a tariff {tariff_id}. Choose another id.")
        session.add(tariff)
        session.flush()
        session.add_all(
            TariffPrice(tariff_id=tariff_id, part=part, direction=direction, quantity_unit=unit, unit_price=price, valid_from=ALWAYS)
            for part, direction, unit, price in parts
            if price is not None
        )
    return tariff


def all_prices(accounts: Accounts) -> list[tuple[TariffPrice, str]]:
    """Every price with its tariff's currency, by tariff, part and time."""
    order = (TariffPrice.tariff_id, TariffPrice.part, TariffPrice.valid_from)
    with accounts.reading() as session:
        rows = session.execute(select(TariffPrice, Tariff.currency).join(Tariff).order_by(*order))
        return [(price, currency) for price, currency in rows]
