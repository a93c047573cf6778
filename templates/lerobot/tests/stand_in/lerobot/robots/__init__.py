from .config import RobotConfig

__all__ = ["RobotConfig"]
