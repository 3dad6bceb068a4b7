"""Whether the log is what it was, said in the words of the other checks of soundness."""

from uuid import UUID

from audit.checks import trust_here
from audit.connections import reader
from audit.verification import LogReport, Verification
from crypto.soundness import Finding, Page


def unsound_log(log_id: UUID) -> Page:
    """Reads the whole log, in a connection of its own. Raises CannotVerify without the log's public key."""
    trust, _unchecked = trust_here()
    connection = reader(log_id)
    try:
        reports = list(Verification(connection, trust, only=log_id).run())
    finally:
        connection.close()
    found = [Finding("log", problem.what, problem.why) for report in reports for problem in report.problems]
    return Page(sum(report.entries for report in reports if isinstance(report, LogReport)), found)
