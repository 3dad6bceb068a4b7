"""Who is cared for, who may see them, how they are found, and what marks their chart."""

from patients.models.access import (
    BreakGlass,
    CareRelationship,
    PatientAccess,
    PatientGroupObjectPermission,
    PatientUserObjectPermission,
    PortalAccess,
)
from patients.models.invitations import PortalInvitation
from patients.models.patient import Card, Patient, TwinOverride
from patients.models.search import PatientSearch, PatientSearchPerson
from patients.models.tags import PatientTag, Tag

__all__ = [
    "BreakGlass",
    "Card",
    "CareRelationship",
    "Patient",
    "PatientAccess",
    "PatientGroupObjectPermission",
    "PatientSearch",
    "PatientSearchPerson",
    "PatientTag",
    "PatientUserObjectPermission",
    "PortalAccess",
    "PortalInvitation",
    "Tag",
    "TwinOverride",
]
