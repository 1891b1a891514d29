import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import environment_without_coverage

# Writing more than a process may write fails with EFBIG as writing to a full disk does with ENOSPC.
FILL = """
import resource, signal, sys, torch
from pathlib import Path
from safetensors.torch import save_file
from assay.models.weight_files import weights_written_to
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
weights = {"weight": torch.zeros(1_000_000)}
with weights_written_to(Path(sys.argv[1])):
    save_file(weights, sys.argv[1] + "/w.safetensors") if sys.argv[2] == "safetensors" else torch.save(
        weights, sys.argv[1] + "/w.pt"
    )
"""


@pytest.mark.parametrize("writer", ["safetensors", "torch"])
def test_weights_written_to_reports_a_full_disk_in_one_line(tmp_path: Path, writer: str) -> None:
    root = Path(__file__).parents[2]
    result = subprocess.run(
        [sys.executable, "-c", FILL, str(tmp_path), writer],
        cwd=root,
        env={**environment_without_coverage(), "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=False,
    )
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith(f"assay.corpus.errors.AssayError: weights cannot be written to {tmp_path} (")
    assert "free disk space" in last
