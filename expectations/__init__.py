"""Great Expectations suites for a snapshot, built in Python, one file for each kind of data."""

import os

# Great Expectations below 1.24 reads this when it is imported and else reports its use to its makers.
os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
