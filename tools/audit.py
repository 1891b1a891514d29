"""Check the pinned versions for known vulnerabilities with pip-audit: `python -m tools.audit PIP_AUDIT`.

If the vulnerability data cannot be reached, the audit reports that and succeeds: a check that needs the network must
not block work without one.
"""

import subprocess
import sys
from pathlib import Path

CONSTRAINTS = Path(__file__).parents[1] / "constraints.txt"
# Output of pip-audit if its service cannot be reached, as opposed to a finding.
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
    """Run pip-audit on pinned versions.

    Returns:
        The exit code; 0 also if the vulnerability data cannot be reached.
    """
    command = [program, "--requirement", str(constraints), "--no-deps", "--disable-pip", "--progress-spinner", "off"]
    try:
        result = subprocess.run(  # noqa: S603  # the program that make installed
            command, capture_output=True, text=True, check=False, timeout=TIMEOUT_S
        )
    except subprocess.TimeoutExpired:
        sys.stderr.write("audit: no response; known vulnerabilities were not checked\n")
        return 0
    output = result.stdout + result.stderr
    sys.stderr.write("".join(line for line in output.splitlines(keepends=True) if NOT_KNOWN not in line))
    if unknown := output.count(NOT_KNOWN):
        sys.stderr.write(f"audit: {unknown} packages could not be checked\n")
    if result.returncode and "vulnerabilit" not in result.stdout and any(word in output for word in UNREACHABLE):
        sys.stderr.write("audit: the data cannot be reached; known vulnerabilities were not checked\n")
        return 0
    return result.returncode


if __name__ == "__main__":
    sys.exit(audit(sys.argv[1]))
