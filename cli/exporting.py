"""`assay export`: a trained model for other programs."""

from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Literal

import typer

from assay.cli.console import Store, echo, registry_uri
from assay.corpus.cleaning import Cleaning
from assay.corpus.errors import AssayError


def export(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL", help="models:/NAME@champion, models:/NAME/VERSION, a bundle or a checkpoint folder."
        ),
    ],
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="New folder to write.")],
    format: Annotated[
        Literal["huggingface"], typer.Option(help="Layout: huggingface, for transformers, optimum and transformers.js.")
    ] = "huggingface",
    store: Store = Path(".assay"),
) -> None:
    """Export a model for transformers and transformers.js.

    The folder holds safetensors, config.json, the tokenizer and an ONNX file. The weights come from the store of the
    run that trained the model.
    """
    if folder.exists():
        raise AssayError(f"{folder} exists; name a new folder")
    from assay.corpus.storage.atomic import atomic_folder
    from assay.models.export.huggingface import write_huggingface
    from assay.registry.checkpoint_search import find_checkpoint

    checkpoint, bundle = find_checkpoint(model, store, registry_uri(model, store))
    metadata = {"producer": f"assay {version('assay')}"}
    thresholds = None
    if bundle is not None:
        metadata |= {"name": bundle.manifest.name, "bundle": bundle.digest}
        thresholds = bundle.manifest.uncalibrated_thresholds
    with atomic_folder(folder) as partial:
        folders = write_huggingface(checkpoint, partial, metadata, thresholds)
        written = [path.relative_to(partial) for path in folders]
    for path in written:
        echo(f"{folder / path}: transformers loads it with pipeline()")
    if checkpoint.row_labels:
        echo(_about_labels(known=thresholds is not None))
    if checkpoint.crf is not None:
        echo("the CRF of the token head is left out: pipeline() labels each token by itself")
    if checkpoint.cleaning != Cleaning():
        echo("Assay cleans texts before it reads them: clean yours as model.cleaning of the recipe does")


def _about_labels(*, known: bool) -> str:
    if known:
        return "a label applies from its probability in label_thresholds of config.json; pipeline() does not read them"
    return "a checkpoint has no label_thresholds; name the bundle or the registered model to write them, too"
