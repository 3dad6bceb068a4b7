"""Reading FHIR R4 bundles. Pure: bytes in, a person and their reports out, or a list of what is wrong and where."""

from exchange.fhir.bundle import ParsedBundle, parse_bundle
from exchange.fhir.person import ParsedPerson

__all__ = ["ParsedBundle", "ParsedPerson", "parse_bundle"]
