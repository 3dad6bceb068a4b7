"""What the clinic does with files (try one, write it, put it aside), and with a person who leaves: erase them."""

from exchange.services.batches import Trial, batch_of, discard_batch, try_file, weigh_batch, write_batch
from exchange.services.erasure import (
    Erased,
    Reason,
    carry_out_ledger,
    erase_patient,
    plan_erasure,
    release_hold,
)
from exchange.services.reports import ImportResult, ReportLine, import_bundle, import_report

__all__ = [
    "Erased",
    "ImportResult",
    "Reason",
    "ReportLine",
    "Trial",
    "batch_of",
    "carry_out_ledger",
    "discard_batch",
    "erase_patient",
    "import_bundle",
    "import_report",
    "plan_erasure",
    "release_hold",
    "try_file",
    "weigh_batch",
    "write_batch",
]
