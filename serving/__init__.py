"""The torch-free runtime: bundles, the engine, batch prediction."""

import os

# onnxruntime 1.31 leaves an id of the machine in the user's cache folder and sends what it counts to its makers, unless
# this is set before it is imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
