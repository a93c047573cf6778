"""``python tests/serve_scripted.py [flags of live_splat]``: the whole backend with a scripted trainer."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from scripted_training import ENGINE, ScriptedTrainer

from live_splat.__main__ import Trainer, main

if __name__ == "__main__":
    sys.exit(main(load=lambda _device: Trainer(ScriptedTrainer().start, ENGINE)))
