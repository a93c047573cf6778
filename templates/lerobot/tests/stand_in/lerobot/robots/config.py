from dataclasses import dataclass
from pathlib import Path


@dataclass(kw_only=True)
class RobotConfig:
    id: str | None = None
    calibration_dir: Path | None = None

    @classmethod
    def register_subclass(cls, name):
        def register(subclass):
            CHOICES[name] = subclass
            return subclass

        return register

    @classmethod
    def get_choice_class(cls, name):
        return CHOICES[name]


CHOICES = {}
