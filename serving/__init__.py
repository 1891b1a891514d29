"""The serving runtime without torch: bundles, the inference engine, batch prediction and the HTTP server."""

import os

# onnxruntime 1.31 writes a machine id into the user's cache folder and sends usage counts to its vendor, unless this is
# set before it is imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
