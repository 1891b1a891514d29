"""Signatures of bundles by OpenSSF model-signing.

A digest proves that the bytes are those that the registry names. A signature proves that a holder of the key approved
them. It is stored as a tag of the version. The package `model_signing` is imported only if a key is set.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from assay.corpus.errors import AssayError, first_line
from assay.corpus.extras import install_command
from assay.serving.bundle import Bundle

if TYPE_CHECKING:
    from model_signing.hashing import Config as Hashing

SIGNATURE_TAG = "assay.signature"
SIGNING_KEY = "ASSAY_SIGNING_KEY"
PUBLIC_KEY = "ASSAY_PUBLIC_KEY"
_PEM = "-----BEGIN"


def signing_key() -> str | None:
    """Return the private key of the environment, a path or the PEM text; None if it is not set."""
    return os.environ.get(SIGNING_KEY) or None


def public_key() -> str | None:
    """Return the public key of the environment, a path or the PEM text; None if it is not set."""
    return os.environ.get(PUBLIC_KEY) or None


def sign(bundle: Bundle, key: str) -> str:
    """Sign every file of a bundle.

    Args:
        bundle: a verified bundle.
        key: private elliptic curve key as PEM without a password: its path, or its text.

    Returns:
        The signature, as JSON.

    Raises:
        AssayError: model-signing is not installed, or the key cannot be read.
    """
    with _errors(f"{SIGNING_KEY} cannot sign the bundle"), _scratch() as folder:
        from model_signing.signing import Config

        config = Config().set_hashing_config(_every_file())
        config.use_elliptic_key_signer(private_key=_key_file(key, folder))
        config.sign(bundle.folder, folder / "signature.json")
        return (folder / "signature.json").read_text(encoding="utf-8")


def verify(bundle: Bundle, signature: str | None, key: str, name: str) -> None:
    """Verify that a holder of the key signed exactly these files. Call this before a file is used.

    Args:
        bundle: a verified bundle.
        signature: the signature by `sign`; None if there is none.
        key: public key as PEM: its path, or its text.
        name: name of the model, for messages.

    Raises:
        AssayError: the signature is missing, of another key, or of other files.
    """
    if signature is None:
        raise AssayError(
            f"{name} carries no signature, but {PUBLIC_KEY} requires one; promote it again with {SIGNING_KEY} set"
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
    """Raise errors of the library as one line, without any part of the key."""
    try:
        yield
    except ImportError as error:
        raise AssayError(f"{what}: {error.name} is not installed; run {install_command('registry')}") from None
    except AssayError:
        raise
    except Exception as error:  # noqa: BLE001  # the library raises its own errors and those of cryptography and json
        reason = first_line(error, 200)
        raise AssayError(f"{what}: {reason}; check the key and the registry") from None
