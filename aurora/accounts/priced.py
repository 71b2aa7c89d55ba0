"""What published costs stand on: the prices a site's contract must keep for the time it has priced already."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from aurora.accounts.models import Site, Tariff, TariffPrice
from aurora.errors import Conflict


def prices_of(session: Session, tariff_id: str) -> list[TariffPrice]:
    """The prices of a tariff by part and time."""
    chosen = select(TariffPrice).where(TariffPrice.tariff_id == tariff_id).order_by(TariffPrice.part, TariffPrice.valid_from)
    return list(session.scalars(chosen.execution_options(populate_existing=True)))


def keep_under(session: Session, site: Site, tariff_id: str | None, priced_parts: Collection[str]) -> None:
    """Refuse to price a site by another tariff, or by none, where published costs would lose their price. Raises Conflict."""
    tariff = session.get(Tariff, tariff_id) if tariff_id else None
    if tariff is None:
        keep(session, site, None, [], priced_parts)
        return
    columns = ("part", "valid_from", "valid_until")
    prices = [{name: getattr(price, name) for name in columns} for price in prices_of(session, tariff.tariff_id)]
    keep(session, site, tariff.currency, prices, priced_parts)


def keep(session: Session, site: Site, currency: str | None, prices: Sequence[dict[str, Any]], priced_parts: Collection[str]) -> None:
    """Refuse prices under which published costs of a site would lose theirs. Raises Conflict.

    Args:
        session: The transaction that holds the site.
        site: Whose contract is to change.
        currency: Of the prices to come; None where none come.
        prices: Those to come: part, valid_from, valid_until.
        priced_parts: Parts that published costs of the site are reckoned with; see `aurora.lake.history`.
    """
    held = session.get(Tariff, site.tariff_id) if site.tariff_id else None
    if held is None or not priced_parts:
        return
    if currency is None:
        raise Conflict("The contract prices history. It cannot be taken away; end its prices by valid_until.")
    if currency != held.currency:
        raise Conflict(f"The contract prices history in {held.currency}. Its currency can no longer change.")
    for old in prices_of(session, held.tariff_id):
        covers = any(
            new["part"] == old.part and new["valid_from"] <= old.valid_from and (new["valid_until"] or old.valid_from) >= old.valid_from
            for new in prices
        )
        if old.part in priced_parts and old.valid_from <= datetime.now(UTC) and not covers:
            raise Conflict(
                f"The part {old.part} prices history. Keep its price from {old.valid_from.isoformat()}, and end it by valid_until."
            )
