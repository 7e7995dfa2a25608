"""What a run is on its machine: a process that is alive or not."""

import os
import socket

import psutil
from pydantic import BaseModel


class RunProcess(BaseModel):
    """A process, told from later ones with the same number by when it began (seconds since 1970)."""

    host: str
    pid: int
    began: float

    @classmethod
    def this(cls) -> "RunProcess":
        """Describe the process that asks."""
        return cls(host=socket.gethostname(), pid=os.getpid(), began=psutil.Process().create_time())

    def is_alive(self) -> bool:
        """Tell whether it goes on. Of a process on another machine that cannot be known, and it counts as alive."""
        if self.host != socket.gethostname():
            return True
        try:
            process = psutil.Process(self.pid)
            # The clock by which the system dates a process may be set in between; it does not jump by a second.
            return process.status() != psutil.STATUS_ZOMBIE and abs(process.create_time() - self.began) < 1
        except psutil.NoSuchProcess:
            return False
