"""What each role at a site may do; docs/security.md shows this table, and a test compares the two."""

from typing import Literal

Right = Literal["read", "change_devices", "move_devices", "change_tariffs", "change_site", "manage_keys", "manage_members", "delete"]
MemberRole = Literal["owner", "consultant", "viewer"]

RIGHTS: dict[Right, frozenset[MemberRole]] = {
    "read": frozenset({"owner", "consultant", "viewer"}),
    "change_devices": frozenset({"owner", "consultant"}),
    # A moved device takes its history and its keys along.
    "move_devices": frozenset({"owner"}),
    "change_tariffs": frozenset({"owner", "consultant"}),
    "change_site": frozenset({"owner"}),
    "manage_keys": frozenset({"owner"}),
    "manage_members": frozenset({"owner"}),
    "delete": frozenset({"owner"}),
}


def may(role: str | None, right: Right) -> bool:
    """Whether a member with that role has a right; nobody else has any."""
    return role in RIGHTS[right]
