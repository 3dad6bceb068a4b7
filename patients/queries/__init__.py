"""Reads about patients. Every one of them goes through `visible_patients`."""

from patients.queries.access import (
    PAGE_SIZE,
    Page,
    Place,
    count_of_visible,
    page_of_visible,
    patient_for,
    relate_all,
    teams_seen_through,
    visible_patients,
)
from patients.queries.cards import patient_of_form, patient_of_log, service_numbers_of, subjects_of
from patients.queries.fields import field_words
from patients.queries.portal import (
    has_phone,
    has_portal,
    open_portal_of,
    own_access_of,
    own_accounts_named,
    portal_accounts_by_phone,
    portal_patients,
    proxies_of,
    who_else_sees,
)
from patients.queries.search import Match, MatchedBy, search_for_log, search_patients
from patients.queries.tags import ShownTag, tags_of, tags_to_show
from patients.queries.twins import Twin, TwinSign, possible_twins

__all__ = [
    "PAGE_SIZE",
    "Match",
    "MatchedBy",
    "Page",
    "Place",
    "ShownTag",
    "Twin",
    "TwinSign",
    "count_of_visible",
    "field_words",
    "has_phone",
    "has_portal",
    "open_portal_of",
    "own_access_of",
    "own_accounts_named",
    "page_of_visible",
    "patient_for",
    "patient_of_form",
    "patient_of_log",
    "portal_accounts_by_phone",
    "portal_patients",
    "possible_twins",
    "proxies_of",
    "relate_all",
    "search_for_log",
    "search_patients",
    "service_numbers_of",
    "subjects_of",
    "tags_of",
    "tags_to_show",
    "teams_seen_through",
    "visible_patients",
    "who_else_sees",
]
