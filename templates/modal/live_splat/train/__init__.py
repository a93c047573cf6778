"""The parts of the trainer: what is optimised, by which loss and schedule, and how the set grows."""
