"""What every app's `api.py` is made of: one address, its operations, and how each is guarded, read, answered and described."""

from clinics.api.input import Said, checked
from clinics.api.operations import Operation
from clinics.api.paging import LIMITS, KeysetPage, page_of
from clinics.api.problems import Problem
from clinics.api.versions import version_of
from clinics.api.views import ApiRequest, ApiView, Shown

__all__ = [
    "LIMITS",
    "ApiRequest",
    "ApiView",
    "KeysetPage",
    "Operation",
    "Problem",
    "Said",
    "Shown",
    "checked",
    "page_of",
    "version_of",
]
