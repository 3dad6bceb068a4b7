"""Whose session it is, read with what they may do: every page asks for both."""

from typing import Any
from uuid import UUID

from allauth.account.auth_backends import AuthenticationBackend

from clinics.models import User
from clinics.queries import account_at_work


class AccountBackend(AuthenticationBackend):  # type: ignore[misc]  # allauth is untyped
    """allauth's. The account of a session comes with its roles at work, clinics loaded, in one statement.

    An account that was closed has no roles at work; allauth's own look at it then says that it is nobody's any more.
    """

    def get_user(self, user_id: Any) -> User | None:
        if user := account_at_work(UUID(str(user_id))):
            return user
        found: User | None = super().get_user(user_id)
        return found
