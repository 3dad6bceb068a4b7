"""Documents on paper: PDF made by Typst from a template of ours and plain data, with the Chinese font in it.

Tagged PDF/A, which a screen reader reads and an archive keeps. Only our own font is used: a machine's fonts differ, and one
without Chinese would lose every word without an error.
"""

import json
import logging
from collections.abc import Mapping
from functools import cache
from http import HTTPStatus
from pathlib import Path
from threading import Lock
from typing import Any, Final, cast

import typst
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from crypto.errors import ClinicError

logger = logging.getLogger(__name__)

FONT: Final = "NotoSansSC_400Regular.ttf"
_one_at_a_time = Lock()  # a compiler keeps what it read, and is not made for two callers at once


class PaperUnavailable(ClinicError):
    """The font of documents is not on this machine."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    message = _("Documents cannot be made on this machine yet: its administrator runs “make setup” once.")


def pdf_of(template: Path, data: Mapping[str, Any]) -> bytes:
    """The document as PDF/A; `data` is what the template reads from `sys.inputs.data`. Raises PaperUnavailable.

    A character that the font lacks is printed as an empty box, in a PDF that is then no PDF/A: it fails nobody's document.
    """
    inputs = {"data": json.dumps(data, ensure_ascii=False)}
    with _one_at_a_time:
        compiler = _compiler(template)
        try:
            pdf = compiler.compile(format="pdf", sys_inputs=inputs, pdf_standards=["a-2a", "ua-1"])
        except typst.TypstError:
            logger.warning("%s: a character has no picture in the font; printed without PDF/A", template.name)
            pdf = compiler.compile(format="pdf", sys_inputs=inputs)
    return cast(bytes, pdf)  # one document, in memory


@cache
def _compiler(template: Path) -> typst.Compiler:
    fonts = Path(settings.BASE_DIR) / "fonts"
    if not (fonts / FONT).is_file():
        raise PaperUnavailable(str(fonts))
    return typst.Compiler(input=str(template), font_paths=[str(fonts)], ignore_system_fonts=True)
