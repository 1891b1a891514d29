"""Known vulnerabilities of the pinned versions, by pip-audit: `python -m tools.audit PIP_AUDIT`.

Where the data cannot be reached, that is said and passed over: a check that needs the network must not stop work
without one.
"""

import subprocess
import sys
from pathlib import Path

CONSTRAINTS = Path(__file__).parents[1] / "constraints.txt"
# What pip-audit says where its service is out of reach, and not where it has found something.
UNREACHABLE = (
    "ConnectionError",
    "Max retries exceeded",
    "ServiceError",
    "Failed to establish",
    "ProxyError",
    "timed out",
)
NOT_KNOWN = "could not be audited"
TIMEOUT_S = 300


def audit(program: str, constraints: Path = CONSTRAINTS) -> int:
    """Run pip-audit on pinned versions; gives the exit code: 0 also where its data cannot be reached."""
    command = [program, "--requirement", str(constraints), "--no-deps", "--disable-pip", "--progress-spinner", "off"]
    try:
        done = subprocess.run(  # noqa: S603  # the program that make installed
            command, capture_output=True, text=True, check=False, timeout=TIMEOUT_S
        )
    except subprocess.TimeoutExpired:
        sys.stderr.write("audit: no answer; known vulnerabilities were not looked for\n")
        return 0
    said = done.stdout + done.stderr
    sys.stderr.write("".join(line for line in said.splitlines(keepends=True) if NOT_KNOWN not in line))
    if unknown := said.count(NOT_KNOWN):
        sys.stderr.write(f"audit: {unknown} packages could not be looked up; of those nothing is known\n")
    if done.returncode and "vulnerabilit" not in done.stdout and any(word in said for word in UNREACHABLE):
        sys.stderr.write("audit: its data cannot be reached; known vulnerabilities were not looked for\n")
        return 0
    return done.returncode


if __name__ == "__main__":
    sys.exit(audit(sys.argv[1]))
