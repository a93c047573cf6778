"""The cloud backend of splatctl: live Gaussian splatting behind a small HTTP API.

The data's way: api (HTTP) → scene (frames, joints, session) → training (thread) → trainer (optimisation) →
snapshots, chunks (storage), checkpoints. No module but ``modal_app.py``, beside this package, imports modal.
"""
