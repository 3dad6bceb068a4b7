"""What was shown and said, where each permission stands, who else gets data, and what people ask for."""

from consent.models.complaints import Complaint
from consent.models.ledger import ConfirmationCode, ConsentEvent, ConsentNotice, ConsentState
from consent.models.links import OptOutLink
from consent.models.recipients import AssessmentApproval, Disclosure, ImpactAssessment, Recipient
from consent.models.requests import PersonRequest, RequestedCorrection

__all__ = [
    "AssessmentApproval",
    "Complaint",
    "ConfirmationCode",
    "ConsentEvent",
    "ConsentNotice",
    "ConsentState",
    "Disclosure",
    "ImpactAssessment",
    "OptOutLink",
    "PersonRequest",
    "Recipient",
    "RequestedCorrection",
]
