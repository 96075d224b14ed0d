"""Where a server listens, and who reaches it there."""

from dataclasses import dataclass
from ipaddress import ip_address


@dataclass(frozen=True)
class Address:
    """Where a server listens."""

    host: str
    port: int

    @classmethod
    def of(cls, bind: str) -> "Address":
        """From `host:port`, which was checked."""
        host, _, port = bind.rpartition(":")
        return cls(host.strip("[]"), int(port))

    @property
    def is_of_this_machine_alone(self) -> bool:
        """Whether nobody reaches it from elsewhere."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def url(self) -> str:
        """For a browser on this machine."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"
