"""What the clinic does with files: try one, write it, put it aside."""

from exchange.services.batches import Trial, batch_of, discard_batch, try_file, weigh_batch, write_batch
from exchange.services.reports import ImportResult, ReportLine, import_bundle, import_report

__all__ = [
    "ImportResult",
    "ReportLine",
    "Trial",
    "batch_of",
    "discard_batch",
    "import_bundle",
    "import_report",
    "try_file",
    "weigh_batch",
    "write_batch",
]
