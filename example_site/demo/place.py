"""Where a demo lives: its folder, its two origins, its keys."""

from __future__ import annotations

import os
import secrets
import socket
from dataclasses import dataclass
from pathlib import Path

from cryptography.fernet import Fernet

TOP = Path(__file__).resolve().parent.parent.parent
#: Read by the settings, and given by the demo: what the caller's environment says of them is not for the servers.
_OURS = (
    "ALLOWED_HOSTS",
    "APICONNECTOR_BASE_URL",
    "APICONNECTOR_KEYS",
    "CRM_CLIENT_ID",
    "CRM_CLIENT_SECRET",
    "CRM_DATABASE_URL",
    "CRM_DEBUG",
    "CRM_ORIGIN",
    "CRM_SECRET_KEY",
    "CRM_TOKEN_SECONDS",
    "DATABASE_URL",
    "DEBUG",
    "DJANGO_SETTINGS_MODULE",
    "SECRET_KEY",
)


class DemoError(Exception):
    """The demo can't go on; the text is for the person at the terminal."""


@dataclass(frozen=True)
class Place:
    """A folder and two ports.

    The host names differ on purpose: cookies do not know ports, so two servers on one host name would overwrite each
    other's session, and a real provider is another site than yours.
    """

    home: Path
    site_port: int
    crm_port: int
    token_seconds: int = 60

    @property
    def site(self) -> str:
        """The origin of the example site."""
        return f"http://localhost:{self.site_port}"

    @property
    def crm(self) -> str:
        """The origin of the CRM."""
        return f"http://127.0.0.1:{self.crm_port}"

    def clear(self) -> None:
        """Remove what an earlier demo left in the folder, and nothing else."""
        for pattern in ("env", "*.log", "*.sqlite3", "*.sqlite3-*"):
            for path in self.home.glob(pattern):
                path.unlink()

    def furnish(self) -> dict[str, str]:
        """Write the file ``env`` for the settings to read, and return it. Keys of an earlier start are kept."""
        values = {
            "SECRET_KEY": secrets.token_urlsafe(50),
            "CRM_SECRET_KEY": secrets.token_urlsafe(50),
            "APICONNECTOR_KEYS": Fernet.generate_key().decode(),
            "CRM_CLIENT_ID": secrets.token_urlsafe(16),
            "CRM_CLIENT_SECRET": secrets.token_urlsafe(32),
        }
        path = self.home / "env"
        if path.exists():
            values |= dict(line.split("=", 1) for line in path.read_text().splitlines() if "=" in line)
        values |= {
            "APICONNECTOR_BASE_URL": self.site,
            "CRM_ORIGIN": self.crm,
            "CRM_TOKEN_SECONDS": str(self.token_seconds),
        }
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.writelines(f"{name}={value}\n" for name, value in values.items())
        return values

    def environment(self) -> dict[str, str]:
        """The environment of the processes that work here."""
        inherited = {name: value for name, value in os.environ.items() if name not in _OURS}
        return {**inherited, "DEMO_HOME": str(self.home), "PYTHONUNBUFFERED": "1"}


def free_ports() -> tuple[int, int]:
    """Two ports that nobody uses."""
    with socket.socket() as first, socket.socket() as second:
        for one in (first, second):
            one.bind(("127.0.0.1", 0))
        return first.getsockname()[1], second.getsockname()[1]


def require_free(ports: dict[str, int]) -> None:
    """Raise ``DemoError`` unless the ports, named by the option that chooses them, differ and nobody answers there."""
    if len(set(ports.values())) < len(ports):
        raise DemoError(f"Choose different ports with {' and '.join(ports)}.")
    for option, port in ports.items():
        if not 0 < port < 2**16:
            raise DemoError(f"{port} is no port. Choose one from 1 to 65535 with {option}.")
        try:
            # By name: a server on ::1 would be in the browser's way as much as one on 127.0.0.1.
            socket.create_connection(("localhost", port), timeout=1).close()
        except OSError:
            continue
        raise DemoError(f"Port {port} is already in use. Choose another one with {option}.")
