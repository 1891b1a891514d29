"""The onnxruntime session of a graph: its options, and the check of its inputs and outputs against the manifest."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from assay.corpus.errors import AssayError, first_line
from assay.serving.bundle import BundleManifest, Precision
from assay.serving.decoding import Floats
from assay.serving.fork_barrier import fork_barrier
from assay.serving.graph_check import check_graph
from assay.serving.openvino_provider import add_bf16

# Errors are raised; at lower levels onnxruntime would print them as well.
_FATAL_ONLY = 4


class ModelSession:
    """An inference session of a loaded graph."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self.inputs: list[str] = [value.name for value in session.get_inputs()]
        self.outputs: list[str] = [value.name for value in session.get_outputs()]

    def run(self, inputs: dict[str, npt.NDArray[np.int64]]) -> dict[str, Floats]:
        """Run the graph once, with those of the inputs that it takes."""
        with fork_barrier:
            values = self._session.run(self.outputs, {name: inputs[name] for name in self.inputs})
        return dict(zip(self.outputs, values, strict=True))

    def width(self, output: str) -> int | None:
        """Return the size of the last dimension of an output; None if the graph leaves it open."""
        shape = next(value.shape for value in self._session.get_outputs() if value.name == output)
        return shape[-1] if shape and isinstance(shape[-1], int) else None


def open_session(
    model: bytes, manifest: BundleManifest, path: Path, threads: int, precision: Precision
) -> ModelSession:
    """Open an inference session from the verified bytes of a graph.

    Args:
        model: the ONNX file, verified.
        manifest: the manifest with the expected inputs and outputs.
        path: path of the file, for messages.
        threads: number of threads per operator.
        precision: bf16 runs on OpenVINO, the others on the CPU provider of onnxruntime.

    Raises:
        AssayError: the graph needs other files or foreign operators, onnxruntime refuses it, its inputs or outputs
            differ from the manifest, or OpenVINO is missing.
    """
    check_graph(model, path)
    options = _options(threads, path.parent)
    if precision == "bf16":
        add_bf16(options)
    try:
        # Providers of the options come before those in the list, which the arguments may not name a second time.
        providers = None if precision == "bf16" else ["CPUExecutionProvider"]
        session = ModelSession(ort.InferenceSession(model, options, providers))
    except Exception as error:  # onnxruntime's errors have no common base below Exception
        raise AssayError(
            f"{path} is refused by onnxruntime {ort.__version__}: {first_line(error)}; export the model again"
        ) from error
    _check_names("inputs", session.inputs, _expected_inputs(manifest), path)
    outputs = _expected_outputs(manifest)
    _check_names("outputs", session.outputs, list(outputs), path)
    for name, width in outputs.items():
        if session.width(name) not in (None, width):
            raise AssayError(
                f"{path}: output {name} has {session.width(name)} values, the manifest {width}; export the model again"
            )
    return session


def _options(threads: int, folder: Path) -> Any:
    options = ort.SessionOptions()
    # Idle threads spin for a moment before they sleep (the default), since batches follow each other without a pause.
    options.intra_op_num_threads = threads
    # The graph has no independent branches that would be worth a second pool.
    options.inter_op_num_threads = 1
    # Memory patterns are cached per shape, and nearly every batch has a new shape, so that memory would only grow.
    options.enable_mem_pattern = False
    options.log_severity_level = _FATAL_ONLY
    # The second barrier after `check_graph`: external data may come only from the folder of the bundle.
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", str(folder))
    return options


def _expected_inputs(manifest: BundleManifest) -> list[str]:
    return ["input_ids", "attention_mask"] + (["token_type_ids"] if manifest.type_ids else [])


def _expected_outputs(manifest: BundleManifest) -> dict[str, int]:
    heads = {"sentence": len(manifest.labels), "labels": len(manifest.row_labels), "tokens": len(manifest.tags)}
    return {head: width for head, width in heads.items() if width}


def _check_names(kind: str, names: list[str], expected: list[str], path: Path) -> None:
    if sorted(names) != sorted(expected):
        raise AssayError(
            f"{path} has the {kind} {sorted(names)}, its manifest asks for {sorted(expected)}; export the model again"
        )
