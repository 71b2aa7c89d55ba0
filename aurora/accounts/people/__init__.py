"""People: who they are, their passwords and logins, and which sites they may see.

`users` makes and finds them, `passwords` checks what they know, `logins` keeps who is in, `one_time` what was mailed, `recovery`
how somebody registers or comes back, `leaving` how somebody goes, `export` what is held about a person, `rights` what they may see.
"""

from aurora.accounts.people.export import export_of
from aurora.accounts.people.leaving import delete_user, purge
from aurora.accounts.people.logins import (
    Grant,
    Whence,
    begin_login,
    end_login,
    grant_of,
    is_known_address,
    login_user,
    logins_of,
    renew_login,
    revoke_login,
    revoke_others,
    start_login,
)
from aurora.accounts.people.passwords import check_login, check_password, hash_password, is_password_of, replace_password
from aurora.accounts.people.recovery import change_profile, confirm_email, register, reset_password, send_reset
from aurora.accounts.people.rights import visible_place, visible_sites
from aurora.accounts.people.users import (
    ROLES,
    add_user,
    all_users,
    check_email,
    disable,
    enable,
    has_admin,
    is_other_email,
    only_admin,
    set_password,
    set_role,
    user_by_id,
    user_by_name,
)

__all__ = [
    "ROLES", "Grant", "Whence", "add_user", "all_users", "begin_login", "change_profile", "check_email", "check_login",
    "check_password", "confirm_email", "delete_user", "disable", "enable", "end_login", "export_of", "grant_of", "has_admin",
    "hash_password", "is_known_address", "is_other_email", "is_password_of", "login_user", "logins_of", "only_admin", "purge", "register",
    "renew_login", "replace_password", "reset_password", "revoke_login", "revoke_others", "send_reset", "set_password", "set_role",
    "start_login", "user_by_id", "user_by_name", "visible_place", "visible_sites",
]  # fmt: skip
