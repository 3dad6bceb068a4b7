"""Unprivileged accounts for the services when we run as root, and whether they can reach our files."""

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Account:
    """Who a service runs as. `switch` holds the arguments for subprocess; empty when we are not root."""

    name: str
    uid: int
    gid: int

    @property
    def switch(self) -> dict[str, Any]:
        if os.geteuid() != 0:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def own(self, path: Path) -> None:
        """Give a path to the account. Without root it is ours already."""
        if os.geteuid() == 0:
            os.chown(path, self.uid, self.gid)

    def reaches(self, path: Path) -> bool:
        if os.geteuid() != 0:
            return os.access(path, os.R_OK)
        found = subprocess.run(["/usr/bin/test", "-r", str(path)], check=False, cwd="/", **self.switch)
        return found.returncode == 0


def account_of_services() -> Account:
    """PostgreSQL refuses to run as root, so root lends it an unprivileged account that exists everywhere."""
    return _first_of("zhizhi", "postgres", "nobody")


def account_of_witness() -> Account:
    """The witness is somebody else than the database: whoever owns the one cannot sign for the other."""
    return _first_of("zhizhi-witness", "daemon", "nobody")


def _first_of(*names: str) -> Account:
    if os.geteuid() != 0:
        me = pwd.getpwuid(os.geteuid())
        return Account(me.pw_name, me.pw_uid, me.pw_gid)
    for name in names:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
    raise SystemExit(
        f"None of the accounts {', '.join(names)} exists: create one, or start as an ordinary user."
    )
