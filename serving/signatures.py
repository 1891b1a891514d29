"""Signatures of bundles by OpenSSF model-signing: who may say what serves.

A digest proves that the bytes are those that the registry names; a signature proves that somebody with the key named
them. It is kept as a tag of the version. The package `model_signing` is imported only where a key is set.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from assay.corpus.errors import AssayError, first_line
from assay.serving.bundle import Bundle

if TYPE_CHECKING:
    from model_signing.hashing import Config as Hashing

SIGNATURE_TAG = "assay.signature"
SIGNING_KEY = "ASSAY_SIGNING_KEY"
PUBLIC_KEY = "ASSAY_PUBLIC_KEY"
_PEM = "-----BEGIN"


def signing_key() -> str | None:
    """The private key of the environment: a path, or the PEM text itself."""
    return os.environ.get(SIGNING_KEY) or None


def public_key() -> str | None:
    """The public key of the environment: a path, or the PEM text itself."""
    return os.environ.get(PUBLIC_KEY) or None


def sign(bundle: Bundle, key: str) -> str:
    """Sign every file of a bundle.

    Args:
        bundle: a verified bundle.
        key: of an elliptic curve, as PEM without a password: its path, or its text.

    Returns:
        The signature, as JSON.

    Raises:
        AssayError: model-signing is not installed, or the key cannot be read.
    """
    with _errors(f"{SIGNING_KEY} signs nothing"), _scratch() as folder:
        from model_signing.signing import Config

        config = Config().set_hashing_config(_every_file())
        config.use_elliptic_key_signer(private_key=_key_file(key, folder))
        config.sign(bundle.folder, folder / "signature.json")
        return (folder / "signature.json").read_text(encoding="utf-8")


def verify(bundle: Bundle, signature: str | None, key: str, name: str) -> None:
    """Make sure that the holder of the key signed exactly these files: call it before anything of them is opened.

    Args:
        bundle: a verified bundle.
        signature: as `sign` gave it.
        key: the public key as PEM: its path, or its text.
        name: of the model, for messages.

    Raises:
        AssayError: there is no signature, it is another key's, or it is about other files.
    """
    if signature is None:
        raise AssayError(
            f"{name} carries no signature, and {PUBLIC_KEY} asks for one; promote it again where {SIGNING_KEY} is set"
        )
    with _errors(f"{name} is not signed by the holder of {PUBLIC_KEY}"), _scratch() as folder:
        from model_signing.verifying import Config

        (folder / "signature.json").write_text(signature, encoding="utf-8")
        config = Config().set_hashing_config(_every_file())
        config.use_elliptic_key_verifier(public_key=_key_file(key, folder))
        config.verify(bundle.folder, folder / "signature.json")


def _every_file() -> "Hashing":
    from model_signing.hashing import Config

    return Config().set_ignored_paths(paths=[], ignore_git_paths=False)


def _key_file(key: str, folder: Path) -> Path:
    if not key.lstrip().startswith(_PEM):
        return Path(key)
    path = folder / "key.pem"
    path.touch(mode=0o600)
    path.write_text(key, encoding="utf-8")
    return path


@contextmanager
def _scratch() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@contextmanager
def _errors(what: str) -> Iterator[None]:
    """One line of whatever the library raises, with no word of the key."""
    try:
        yield
    except ImportError as error:
        raise AssayError(f'{what}: {error.name} is not installed; pip install "assay[registry]"') from None
    except AssayError:
        raise
    except Exception as error:  # noqa: BLE001  # the library raises errors of its own, of cryptography and of json
        reason = first_line(error, 200)
        raise AssayError(f"{what}: {reason}; check the key and the registry") from None
