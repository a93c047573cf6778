"""``python tests/lose_device.py serve|container FOLDER [flags]``: the backend with a scripted trainer, whose
GPU is lost with the first line on stdin."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from scripted_training import ENGINE, ScriptedTrainer

from live_splat.__main__ import Trainer, main
from live_splat.container import open_container
from live_splat.settings import Settings

trainer = ScriptedTrainer()


def lose() -> None:
    """As CUDA says it: on the trainer's thread, as far as anyone can tell."""
    sys.stdin.readline()
    trainer.started[-1].fail("CUDA error: an illegal memory access was encountered", is_device_lost=True)


def contain(folder: Path) -> None:
    """As a container on Modal holds its scenes: nobody ends it from outside."""
    settings = Settings(data_dir=folder, token="sesame")
    content = open_container(settings, None, lambda: print("committed"), trainer.start)
    print(content.scenes.get(None).session_id, flush=True)
    time.sleep(60)


if __name__ == "__main__":
    kind, folder, *flags = sys.argv[1:]
    threading.Thread(target=lose, daemon=True).start()
    if kind == "container":
        contain(Path(folder))
    else:
        sys.exit(main(["--data", folder, *flags], load=lambda _device: Trainer(trainer.start, ENGINE)))
