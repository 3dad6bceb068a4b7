"""DRF asks who somebody is; the unit of work has decided that before. Here a browser's session shows that it means it."""

from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from rest_framework.authentication import SessionAuthentication
from rest_framework.request import Request


class AlreadyPlaced(SessionAuthentication):
    """A token needs no CSRF token: no browser sends it by itself."""

    def authenticate(self, request: Request) -> tuple[AbstractBaseUser, Any] | None:
        token = request._request.api_token  # type: ignore[attr-defined]  # set by clinics.api.placing
        if token is None:
            self.enforce_csrf(request)
        return request._request.user, token  # type: ignore[return-value]  # never anonymous here
