"""Fixtures that tests of several folders share. What is heavy is imported where it is needed."""

import os
import shutil
import sqlite3
import threading
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

# Read when torch and huggingface_hub are imported, which is later. Test processes share the cores, and threads
# that spin while they wait would take them from each other; no test may wait for a hub.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ["HF_HUB_OFFLINE"] = "1"
# Read when the tables of the command line are first printed: the tests expect 80 columns without colours.
os.environ["COLUMNS"] = "80"
for colours in ("FORCE_COLOR", "CLICOLOR_FORCE", "TTY_COMPATIBLE"):
    os.environ.pop(colours, None)

# The same examples each time, and no deadline: a busy machine is no fault of the code.
settings.register_profile("assay", deadline=None, derandomize=True)
settings.load_profile("assay")

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

    from tests.mongo import Mongo

TINY_TEXTS = [
    "Apple buys shares of Siemens in Munich, says Anna Meier.",
    "play some jazz by Miles Davis on the radio",
    "Der Umsatz von Süß & Söhne stieg 2024 um 12 %.",
    "weather in New York tomorrow at 5 p.m.?",
    "the shares of Bayer fell while Siemens gained",
    "book a table for two at the Ritz in Berlin",
] * 4


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Measure no coverage in slow tests, of which it takes a third: the parts they join have tests of their own."""
    for item in items:
        # Some commands have no other tests.
        if item.get_closest_marker("slow") and item.path.parent.name != "cli":
            item.add_marker("no_cover")


@pytest.fixture(autouse=True)
def _no_coverage_in_processes_of_slow_tests(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.node.get_closest_marker("no_cover"):
        monkeypatch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)


@pytest.fixture(scope="session")
def mlflow_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sqlite registry with all its tables: making one takes seconds, copying one does not."""
    from mlflow import MlflowClient
    from sqlalchemy import Engine, event

    # MLflow commits dozens of times per test, and a power failure is none of the faults that tests cause.
    event.listen(Engine, "connect", _write_without_sync)
    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    MlflowClient(tracking_uri=f"sqlite:///{path}").search_experiments()
    return path


def _write_without_sync(connection: Any, record: object) -> None:
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous = OFF")


@pytest.fixture
def store(tmp_path: Path, mlflow_database: Path) -> Path:
    """A store folder with an empty MLflow in it."""
    folder = tmp_path / "store"
    folder.mkdir()
    shutil.copy(mlflow_database, folder / "mlflow.db")
    return folder


@pytest.fixture
def mongo() -> "Iterator[Mongo]":
    """A MongoDB with a database of the test's own: at MONGODB_URI where that is set, else the stand-in."""
    from pymongo import MongoClient

    from demo.wire import WireServer
    from tests.mongo import Mongo

    database = f"assay_test_{uuid.uuid4().hex[:12]}"
    if uri := os.environ.get("MONGODB_URI"):
        yield Mongo(uri, database, None)
        with MongoClient[dict[str, Any]](uri) as client:
            client.drop_database(database)
        return
    with WireServer() as server:
        yield Mongo(server.uri, database, server)


@pytest.fixture(scope="session")
def tiny_bert_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT with random weights (2 layers, 32 wide) and a WordPiece tokenizer, as transformers would save it."""
    import torch
    from transformers import BertConfig, BertModel

    from assay.models.scratch import train_tokenizer

    folder = tmp_path_factory.mktemp("tiny-bert")
    tokenizer = train_tokenizer(TINY_TEXTS, 300)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=128,
    )
    BertModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_deberta_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A DeBERTa-v3-like model with random weights (2 layers, 32 wide) and a Unigram tokenizer with Metaspace."""
    import torch
    from transformers import DebertaV2Config, DebertaV2Model

    folder = tmp_path_factory.mktemp("tiny-deberta")
    tokenizer = _unigram(TINY_TEXTS, 200)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    make: Any = DebertaV2Config
    config = make(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=128,
        relative_attention=True,
        position_buckets=32,
        norm_rel_ebd="layer_norm",
        share_att_key=True,
        pos_att_type=["p2c", "c2p"],
        type_vocab_size=0,
        position_biased_input=False,
        max_relative_positions=-1,
    )
    DebertaV2Model(config).save_pretrained(folder)
    return folder


def _unigram(texts: Sequence[str], vocabulary: int) -> "PreTrainedTokenizerFast":
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    special = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]"]
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=vocabulary, special_tokens=special, unk_token="[UNK]", show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(name, tokenizer.token_to_id(name)) for name in ("[CLS]", "[SEP]")],
    )
    make: Any = PreTrainedTokenizerFast
    fast: PreTrainedTokenizerFast = make(
        tokenizer_object=tokenizer, **{f"{name[1:-1].lower()}_token": name for name in special}
    )
    return fast


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Torch works with one thread, so that sums come out the same each time."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """The address of a server that speaks S3."""
    import logging

    from moto.s3.responses import S3Response
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # a line for each request
    lock = threading.Lock()
    put_object = S3Response.put_object

    def put_one_at_a_time(response: S3Response) -> Any:
        with lock:
            return put_object(response)

    with pytest.MonkeyPatch.context() as patch:
        # S3 checks `If-None-Match` and writes in one step; moto lets a second request in between.
        patch.setattr(S3Response, "put_object", put_one_at_a_time)
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
        yield "http://{}:{}".format(*server.get_host_and_port())
        server.stop()


@pytest.fixture
def bucket(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of an empty bucket, and what a machine must be told to reach it."""
    import fsspec

    for name, value in {
        "AWS_ENDPOINT_URL": s3_server,
        "MLFLOW_S3_ENDPOINT_URL": s3_server,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    name = f"assay-{uuid.uuid4().hex[:12]}"
    fsspec.filesystem("s3").mkdir(name)
    return f"s3://{name}"


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[None]:
    """A temporary Prefect server with a database of its own."""
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=300):
        yield
