"""An edge server's application, with an enrolling task, as a process of its own that serves as every edge server does.

``python -m tests.unit.backend.api.played_process PORT READY_FILE``: a line on standard input plays the first round's
beginning. The same task is there after a restart, as on any chain.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from backend.listening import Listening
from backend.process import configure_log, serve
from tests.unit.backend.api.scene_api import enrolling


def main() -> None:
    configure_log()
    port, ready = int(sys.argv[1]), Path(sys.argv[2])
    api = enrolling()

    def play() -> None:
        for _ in sys.stdin:
            api.scene.announced(1)

    threading.Thread(target=play, daemon=True).start()
    serve(api.app, Listening(port, ready_file=ready), api.scene.ledger.sender)


if __name__ == "__main__":
    main()
