"""Tariffs: contracts and the prices of their parts over time."""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from sqlalchemy import select

from aurora.accounts.database import Accounts
from aurora.accounts.models import Site, Tariff, TariffPrice
from aurora.errors import Refused

ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)


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


def sites_with(accounts: Accounts, tariff_id: str) -> list[str]:
    """Ids of the sites priced by a tariff."""
    with accounts.reading() as session:
        return list(session.scalars(select(Site.site_id).where(Site.tariff_id == tariff_id)))
