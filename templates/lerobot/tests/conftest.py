import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

try:
    LEROBOT = version("lerobot")
except PackageNotFoundError:
    LEROBOT = None
    sys.path.append(str(Path(__file__).parent / "stand_in"))


def pytest_report_header():
    if LEROBOT is None:
        return "lerobot: not installed; a stand-in with its documented interface takes its place"
    return f"lerobot: the real one, {LEROBOT}"
