"""gunicorn's own log, as discreet as ours: what a request said stays out, also where it was no proper request."""

from typing import Any

from gunicorn.glogging import Logger  # type: ignore[import-untyped]

from config.logs import Discreet

UNREADABLE = "Invalid request from ip="


class WebLog(Logger):  # type: ignore[misc]  # gunicorn is untyped
    """Named by `--logger-class`. gunicorn repeats the line it could not read, which may be an address with a person's name."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        for handler in self.error_log.handlers:
            handler.setFormatter(Discreet(self.error_fmt, self.datefmt))

    def warning(self, msg: str, *args: Any, **kwargs: Any) -> None:
        super().warning(msg.partition(":")[0] if msg.startswith(UNREADABLE) else msg, *args, **kwargs)

    def exception(self, msg: str, *args: Any, **kwargs: Any) -> None:
        super().exception(
            msg, *("(an address)" if str(arg).startswith("/") else arg for arg in args), **kwargs
        )
