"""Great Expectations suites for snapshots, built in Python, one module per kind of data."""

import os

# Great Expectations below 1.24 reads this variable on import, and otherwise reports usage to its vendor.
os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
