"""``python -m live_splat.attached``: as ``python -m live_splat``, but ends, saving, when its input does.

Whoever starts the backend this way holds its input open. However that program ends, killed included, the
backend does not stay behind.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from typing import BinaryIO

from .__main__ import CLOSE_WITHIN_S, main

LONGEST_END_S = CLOSE_WITHIN_S + 30


def end_with(stream: BinaryIO) -> None:
    """Wait for the end of the input, then end this process as SIGTERM does; by force if that does not
    work."""
    while stream.read(4096):
        pass
    signal.raise_signal(signal.SIGTERM)
    time.sleep(LONGEST_END_S)
    os._exit(1)


if __name__ == "__main__":
    # Unbuffered: a reader that holds the buffer's lock would keep the interpreter from ending.
    source = open(sys.stdin.fileno(), "rb", buffering=0, closefd=False)  # noqa: SIM115
    threading.Thread(target=end_with, args=(source,), daemon=True).start()
    sys.exit(main())
