"""Whether the encoder of a recipe can be had, asked before anything is trained, within seconds."""

import threading
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from assay.corpus.errors import first_line
from assay.recipes.model_section import ModelSection

TIMEOUT_S = 5.0  # of one answer of the hub
PATIENCE_S = 10.0  # in all: looking up the name of a host has no timeout
CONFIG = "config.json"
# The first is what the error asks for; transformers converts the others.
TOKENIZERS = (
    "tokenizer.json",
    "vocab.txt",
    "vocab.json",
    "spm.model",
    "spiece.model",
    "sentencepiece.bpe.model",
    "tokenizer.model",
)
WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")


class EncoderAccess(BaseModel):
    """Whether the encoder is available, and where it is or what to do about it, in one line."""

    model_config = ConfigDict(frozen=True)

    available: bool
    detail: str


def encoder_access(model: ModelSection) -> EncoderAccess:
    """Look for the encoder in its folder, in the cache of the hub, then on the hub, without downloading it."""
    if model.scratch is not None or model.encoder is None:
        return EncoderAccess(available=True, detail="trained from scratch, with its own tokenizer")
    folder = Path(model.encoder).expanduser()
    if folder.is_dir():
        return _in_folder(model.encoder, folder)
    name = f"{model.encoder} at {model.revision}" if model.revision else model.encoder
    if _is_cached(model):
        return EncoderAccess(available=True, detail=f"{name} is in the cache of the hub")
    return _on_hub(model, name)


def _in_folder(encoder: str, folder: Path) -> EncoderAccess:
    choices = ((CONFIG,), WEIGHTS, TOKENIZERS)
    missing = [names[0] for names in choices if not any((folder / name).is_file() for name in names)]
    if missing:
        return EncoderAccess(
            available=False, detail=f"the folder model.encoder {encoder!r} lacks {', '.join(missing)}; add them"
        )
    return EncoderAccess(available=True, detail=f"the folder {encoder} has it")


def _is_cached(model: ModelSection) -> bool:
    from huggingface_hub import try_to_load_from_cache

    def cached(name: str) -> bool:
        return isinstance(try_to_load_from_cache(str(model.encoder), name, revision=model.revision), str)

    try:
        return cached(CONFIG) and any(map(cached, WEIGHTS)) and any(map(cached, TOKENIZERS))
    except ValueError:  # not a name of the hub
        return False


def _on_hub(model: ModelSection, name: str) -> EncoderAccess:
    """Ask the hub in a thread of its own, which ends with the process if the network never responds."""
    results: list[EncoderAccess] = []
    thread = threading.Thread(target=lambda: results.append(_ask(model, name)), daemon=True)
    thread.start()
    thread.join(PATIENCE_S)
    return results[0] if results else _unreachable(name, f"no response in {PATIENCE_S:.0f} s")


def _ask(model: ModelSection, name: str) -> EncoderAccess:
    from huggingface_hub import HfApi, constants
    from huggingface_hub.errors import GatedRepoError, HFValidationError, RepositoryNotFoundError, RevisionNotFoundError

    if constants.HF_HUB_OFFLINE:
        return _unreachable(name, "HF_HUB_OFFLINE is set")
    try:
        HfApi().model_info(str(model.encoder), revision=model.revision, timeout=TIMEOUT_S)
    except GatedRepoError:
        why = "needs permission: accept its terms on the hub and set HF_TOKEN"
    except RevisionNotFoundError:
        why = "has no such revision; copy the commit from its page on the hub to model.revision"
    except (RepositoryNotFoundError, HFValidationError):
        why = "is neither a folder nor a model of the hub; correct model.encoder, or set HF_TOKEN if it is private"
    except Exception as error:  # noqa: BLE001  # of the HTTP client, a proxy, the network: each has its own kind
        return _unreachable(name, first_line(error, 100))
    else:
        return EncoderAccess(available=True, detail=f"{name} is on the hub; the run downloads it")
    return EncoderAccess(available=False, detail=f"model.encoder {name} {why}")


def _unreachable(name: str, why: str) -> EncoderAccess:
    return EncoderAccess(
        available=False,
        detail=f"model.encoder {name} is not in the cache, and the hub cannot be reached ({why}); connect, set "
        "HF_ENDPOINT to a mirror, or name a local folder",
    )
