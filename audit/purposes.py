"""The one vocabulary of why data are used. What each purpose rests on and allows is `consent`'s data."""

from enum import StrEnum


class Purpose(StrEnum):
    CARE = "care"
    FOLLOWUP = "followup"
    REPORT = "report"
    RISK = "risk"
    BILLING = "billing"
    DEVICE = "device"
    RECORDING = "recording"
    EMPLOYER = "employer"
    FAMILY = "family"
    REFERRAL = "referral"
    PUBLISH = "publish"
    CROSSBORDER = "crossborder"
    STATUTORY = "statutory"
    EMERGENCY = "emergency"
    MARKETING = "marketing"
    RESEARCH = "research"
    SECURITY = "security"
