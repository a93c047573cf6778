"""One scene and its session: frames, joints and poses, how it is placed, saved, finished, restored."""
