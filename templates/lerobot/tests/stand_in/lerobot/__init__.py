"""What this package uses of LeRobot, by its documented interface: stands in where LeRobot itself is not installed."""
