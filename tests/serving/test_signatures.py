from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from mlflow import MlflowClient

from assay.corpus.errors import AssayError
from assay.evaluation.verdict import Check, Verdict
from assay.registry.champion_promotion import promote_version
from assay.registry.model_registry import ModelRegistry
from assay.registry.registration import register_bundle
from assay.serving.address import open_bundle
from assay.serving.bundle import MODEL, Bundle
from assay.serving.http.server import open_active_model
from assay.serving.http.server_metrics import ServerMetrics
from assay.serving.http.server_settings import Settings
from assay.serving.signatures import PUBLIC_KEY, SIGNATURE_TAG, SIGNING_KEY, sign, verify

BuildToy = Callable[..., Bundle]


def key_pair() -> tuple[str, str]:
    """Return a private and a public key as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return private.decode(), key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


PRIVATE, PUBLIC = key_pair()
_, OTHER_PUBLIC = key_pair()


def test_verify_accepts_a_signed_bundle(toy: Bundle, tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text(PRIVATE)
    for key in (PRIVATE, str(tmp_path / "key.pem")):
        verify(toy, sign(toy, key), PUBLIC, "toy")


def test_verify_refuses_another_key_no_signature_and_changed_files(toy: Bundle) -> None:
    signature = sign(toy, PRIVATE)
    with pytest.raises(AssayError, match="toy is not signed by the holder of ASSAY_PUBLIC_KEY"):
        verify(toy, signature, OTHER_PUBLIC, "toy")
    with pytest.raises(AssayError, match="is not signed by"):
        verify(toy, "{}", PUBLIC, "toy")
    with pytest.raises(AssayError, match="toy carries no signature"):
        verify(toy, None, PUBLIC, "toy")
    (toy.folder / MODEL).write_bytes(b"other")
    with pytest.raises(AssayError, match="is not signed by"):
        verify(toy, signature, PUBLIC, "toy")


def test_sign_reports_an_unusable_key_without_its_text(toy: Bundle, tmp_path: Path) -> None:
    for key in (PUBLIC, "-----BEGIN NONSENSE-----", str(tmp_path / "nowhere.pem")):
        with pytest.raises(AssayError, match="ASSAY_SIGNING_KEY cannot sign the bundle") as caught:
            sign(toy, key)
        assert "\n" not in str(caught.value)
        assert "NONSENSE" not in str(caught.value)


@pytest.fixture
def promoted(toy: Bundle, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the address of a registry whose champion was promoted with the key."""
    monkeypatch.setenv(SIGNING_KEY, PRIVATE)
    uri = f"sqlite:///{store}/mlflow.db"
    client = MlflowClient(tracking_uri=uri)
    run = client.create_run(client.create_experiment("toy", (tmp_path / "artifacts").as_uri())).info.run_id
    check = Check(name="score", measured="1", required="0", passed=True, why="F1")
    verdict = Verdict(recipe="r", bundle=toy.digest, snapshot="s", splits="p", champion=None, checks=[check])
    registry = ModelRegistry("toy", uri, store)
    promote_version(registry, register_bundle(registry, run, toy.folder, verdict, {}), verdict, None, "first")
    return uri


def test_promotion_signs_the_bundle_and_open_bundle_verifies_it(
    promoted: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PUBLIC_KEY, PUBLIC)
    assert open_bundle("models:/toy@champion", tmp_path / "cache", promoted).manifest.name == "toy"
    monkeypatch.setenv(PUBLIC_KEY, OTHER_PUBLIC)
    with pytest.raises(AssayError, match="models:/toy/1 is not signed by"):
        open_bundle("models:/toy@champion", tmp_path / "cache", promoted)


def test_server_loads_signed_bundles_only(promoted: str, tmp_path: Path) -> None:
    def settings(key: str) -> Settings:
        return Settings("models:/toy@champion", tracking_uri=promoted, cache=tmp_path / "cache", public_key=key)

    # a verified model becomes the fallback without the registry
    active_model, _ = open_active_model(settings(PUBLIC), ServerMetrics())
    assert active_model.model.origin.version == "1"
    # with another key, neither the registry nor the cache is accepted
    with pytest.raises(AssayError, match="is not signed by"):
        open_active_model(settings(OTHER_PUBLIC), ServerMetrics())
    # a version without a signature is not accepted either
    MlflowClient(tracking_uri=promoted).delete_model_version_tag("toy", "1", SIGNATURE_TAG)
    active_model, _ = open_active_model(settings(PUBLIC), ServerMetrics())
    assert active_model.refused is not None
    assert "carries no signature" in active_model.refused.reason


def test_server_reads_the_signature_beside_a_folder(toy: Bundle) -> None:
    settings = Settings(str(toy.folder), public_key=PUBLIC)
    with pytest.raises(AssayError, match="carries no signature"):
        open_active_model(settings, ServerMetrics())
    toy.folder.with_name(toy.folder.name + ".sig").write_text(sign(toy, PRIVATE))
    assert open_active_model(settings, ServerMetrics())[0].model.digest == toy.digest
