"""gRPC, by Triton's client and by plain messages."""

import asyncio
import json
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from assay.corpus.errors import AssayError
from assay.serving.bundle import Bundle
from assay.serving.http import server as server_module
from assay.serving.http.grpc_service import GrpcServer
from assay.serving.http.listening import bound_sockets
from assay.serving.http.listening import listen as listen_on
from assay.serving.http.model_calls import ModelCalls
from assay.serving.http.protocols.grpc_messages import load_messages
from assay.serving.http.server import open_app, serve
from assay.serving.http.server_settings import Settings
from tests.bundles import build_bundle
from tests.cli.calls import call
from tests.decisions import a_decision
from tests.ports import free_port
from tests.servers import serving
from tests.serving.conftest import BuildToy
from tests.serving.http.conftest import Hold, Listen, Listening
from tests.serving.http.test_shedding import refused
from tests.waiting import wait_until

grpc = pytest.importorskip("grpc", reason="grpcio is not installed")
client_module = pytest.importorskip("tritonclient.grpc", reason="tritonclient[grpc] is not installed")
messages = client_module.service_pb2
TOKEN = "t" * 16


@pytest.fixture
def server(listen: Listen, toy: Bundle, tmp_path: Path) -> Listening:
    """Return a server that speaks gRPC, too."""
    return listen(toy, grpc_port=0, access_log=str(tmp_path / "access.jsonl"))


@pytest.fixture
def client(server: Listening) -> Iterator[Any]:
    """Yield Triton's client of the server."""
    with client_module.InferenceServerClient(address(server)) as client:
        yield client


def address(server: Listening) -> str:
    return f"127.0.0.1:{server.app.state.grpc.port}"


def text_input(*texts: str, datatype: str = "BYTES") -> Any:
    tensor = client_module.InferInput("text", [len(texts)], datatype)
    tensor.set_data_from_numpy(np.array([text.encode() for text in texts], dtype=object))
    return tensor


def test_grpc_predicts_for_tritons_client(client: Any) -> None:
    result = client.infer("toy", [text_input("good Apple", "bad")], request_id="a1")
    assert [label.decode() for label in result.as_numpy("label")] == ["up", "down"]
    assert result.as_numpy("probabilities").shape == (2, 2)
    assert result.as_numpy("truncated").tolist() == [False, False]
    assert json.loads(result.as_numpy("entities")[0])[0]["text"] == "Apple"
    response = result.get_response()
    assert (response.id, response.model_name, response.model_version) == ("a1", "toy", "3")


def test_grpc_leaves_out_outputs_and_takes_options(client: Any) -> None:
    outputs = [client_module.InferRequestedOutput("classes")]
    result = client.infer("toy", [text_input("good")], outputs=outputs, parameters={"top_k": 1})
    assert [output.name for output in result.get_response().outputs] == ["classes"]
    assert result.as_numpy("classes").tolist() == [[b"up"]]


def test_grpc_describes_server_and_models(client: Any, server: Listening) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("toy", "3")
    assert client.get_server_metadata().name == "assay"
    metadata = client.get_model_metadata("toy")
    assert ([tensor.name for tensor in metadata.inputs], metadata.platform) == (["text"], "onnxruntime_onnx")
    [entry] = client.get_model_repository_index().models
    assert (entry.name, entry.version, entry.state) == ("toy", "3", "READY")
    server.active_model.draining = True
    assert not client.is_server_ready()
    assert not client.is_model_ready("toy")


def test_grpc_predicts_typed_contents_and_responds_with_such(server: Listening) -> None:
    # Given a client that was generated from the protocol file, whose tensors are typed,
    request = messages.ModelInferRequest(model_name="toy")
    request.inputs.add(name="text", datatype="BYTES", shape=[2]).contents.bytes_contents.extend([b"good", b"bad"])
    with grpc.insecure_channel(address(server)) as channel:
        call = channel.unary_unary(
            "/inference.GRPCInferenceService/ModelInfer",
            request_serializer=messages.ModelInferRequest.SerializeToString,
            response_deserializer=messages.ModelInferResponse.FromString,
        )
        response = call(request)
        outputs = {output.name: output.contents for output in response.outputs}
        assert list(outputs["label"].bytes_contents) == [b"up", b"down"]
        assert len(outputs["probabilities"].fp32_contents) == 4
        assert not response.raw_output_contents
        # then a text that is not UTF-8 is named.
        request.inputs[0].contents.bytes_contents[1] = b"\xff"
        with pytest.raises(grpc.RpcError, match="row 1: text is not UTF-8"):
            call(request)


@pytest.mark.parametrize("raw", [False, True])
def test_grpc_carries_labels_and_what_is_left_to_people(listen: Listen, tmp_path: Path, *, raw: bool) -> None:
    decisions = {"fp32": {head: a_decision(0.85) for head in ("sentence", "labels", "tokens")}}
    classes, entities, row_labels = {"good": "up", "bad": "down"}, {"Apple": "ORG"}, {"bank": "money", "match": "sport"}
    bundle = build_bundle(tmp_path, classes, entities, changes={"decisions": decisions}, row_labels=row_labels)
    request = messages.ModelInferRequest(model_name="toy")
    tensor = request.inputs.add(name="text", datatype="BYTES", shape=[2])
    texts = [b"good good bank", b"nothing"]
    if raw:
        request.raw_input_contents.append(b"".join(len(text).to_bytes(4, "little") + text for text in texts))
    else:
        tensor.contents.bytes_contents.extend(texts)
    with grpc.insecure_channel(address(listen(bundle, grpc_port=0))) as channel:
        response = channel.unary_unary(
            "/inference.GRPCInferenceService/ModelInfer",
            request_serializer=messages.ModelInferRequest.SerializeToString,
            response_deserializer=messages.ModelInferResponse.FromString,
        )(request)
    result = {output.name: output.contents for output in response.outputs}
    names = ["labels", "abstained_labels", "label_probabilities", "entities", "abstained", "label_abstained"]
    assert [*result][2:] == [*names, "truncated"]
    if raw:
        by_name = dict(zip(result, response.raw_output_contents, strict=True))
        assert (by_name["abstained"], by_name["label_abstained"]) == (b"\0\1", b"\0\1")
        assert np.frombuffer(by_name["label_probabilities"], "<f4")[0] > 0.85
    else:
        assert [json.loads(labels) for labels in result["labels"].bytes_contents] == [["money"], []]
        assert result["label_probabilities"].fp32_contents[0] > 0.85
        assert list(result["abstained"].bool_contents) == list(result["label_abstained"].bool_contents) == [False, True]


def test_grpc_leaves_to_people_what_it_leaves_without_a_threshold_of_the_client(
    listen: Listen, build_toy: BuildToy
) -> None:
    decisions = {"fp32": {"sentence": a_decision(0.1), "tokens": a_decision(1.0)}}
    server = listen(build_toy("both", decisions=decisions), grpc_port=0)
    with client_module.InferenceServerClient(address(server)) as client:
        inputs = [text_input("good fine", "nothing but Apple")]
        for threshold, labels in ((0, [b"up", b"down"]), (1, [b"", b""])):
            result = client.infer("toy", inputs, parameters={"threshold": float(threshold)})
            assert result.as_numpy("label").tolist() == labels
            assert result.as_numpy("abstained").tolist() == [False, True]


def status_of(error: pytest.ExceptionInfo[Any]) -> str:
    return status_of_error(error.value)


def status_of_error(error: Any) -> str:
    return str(error.status()).removeprefix("StatusCode.")


def test_grpc_reports_faults_as_statuses(client: Any, server: Listening) -> None:
    huge = text_input("a")
    huge.set_shape([2**62])
    faults: list[tuple[str, dict[str, Any], str, str]] = [
        ("none", {"inputs": [text_input("good")]}, "NOT_FOUND", "there is no model none"),
        ("toy", {"inputs": [text_input(" ")]}, "INVALID_ARGUMENT", "row 0: text is blank"),
        ("toy", {"inputs": [text_input("a")], "parameters": {"top_k": 0}}, "INVALID_ARGUMENT", "top_k"),
        ("toy", {"inputs": []}, "INVALID_ARGUMENT", "inputs are none"),
        ("toy", {"inputs": [huge]}, "INVALID_ARGUMENT", "shape"),
    ]
    for name, arguments, status, message in faults:
        with pytest.raises(client_module.InferenceServerException, match=message) as error:
            client.infer(name, **arguments)
        assert status_of(error) == status
    assert refused(server, "grpc", "invalid") == 4


def test_grpc_shares_queue_shedding_and_metrics(client: Any, server: Listening, tmp_path: Path) -> None:
    client.infer("toy", [text_input("good")], headers={"x-request-id": "abc"})
    assert 'assay_inference_request_success_total{protocol="grpc"} 1.0' in server.metrics.render().decode()
    assert (server.metrics.render().decode().count("assay_inference_count_total 1.0")) == 1
    server.batcher._submitted_tokens += 10**9
    with pytest.raises(client_module.InferenceServerException, match="the server is busy") as error:
        client.infer("toy", [text_input("good")])
    server.batcher._submitted_tokens -= 10**9
    assert status_of(error) == "RESOURCE_EXHAUSTED"
    assert refused(server, "grpc") == 1
    # The client's own deadline is that of the request.
    client.infer("toy", [text_input("good")], client_timeout=60)
    lines = tmp_path / "access.jsonl"
    wait_until(lambda: lines.read_text().count("\n") == 3)
    first, second, _ = map(json.loads, lines.read_text().splitlines())
    assert (first["id"], first["status"], second["status"]) == ("abc", 200, 429)


def test_grpc_counts_calls_that_the_client_gives_up(client: Any, server: Listening, waiting: list[Any]) -> None:
    call = client.async_infer("toy", [text_input("good")], callback=lambda **_: None)
    wait_until(lambda: waiting)
    call.cancel()
    wait_until(lambda: refused(server, "grpc", "gone") == 1)


def test_grpc_needs_the_token_except_for_probes(listen: Listen, toy: Bundle) -> None:
    server = listen(toy, grpc_port=0, token=TOKEN)
    with client_module.InferenceServerClient(address(server)) as client:
        assert client.is_server_ready()
        for headers in (None, {"authorization": "Bearer wrong"}):
            with pytest.raises(client_module.InferenceServerException, match="token") as error:
                client.infer("toy", [text_input("good")], headers=headers)
            assert status_of(error) == "UNAUTHENTICATED"
        right = {"authorization": f"bearer {TOKEN}"}
        assert client.infer("toy", [text_input("good")], headers=right).as_numpy("label")[0] == b"up"


def test_grpc_names_the_extra_that_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tritonclient.grpc", None)
    with pytest.raises(AssayError, match=r"--grpc-port needs gRPC, which is not installed; run pip install"):
        load_messages()


def test_serve_refuses_one_port_for_http_and_grpc(toy: Bundle) -> None:
    with pytest.raises(AssayError, match=r"--grpc-port is 8080, and --port is, too; name another port"):
        serve(Settings(str(toy.folder), port=8080, grpc_port=8080))


def test_serve_names_the_port_of_grpc_that_another_process_took_while_the_model_was_loading(
    toy: Bundle, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    port = free_port()
    with ExitStack() as stack:

        def load(settings: Settings) -> Any:
            opened = open_app(settings)
            listen_on(stack.enter_context(bound_sockets("127.0.0.1", port)), "127.0.0.1")
            return opened

        monkeypatch.setattr(server_module, "open_app", load)
        assert call(monkeypatch, "serve", "--model", toy.folder, "--port", "0", "--grpc-port", str(port)) == 1
    # The log may precede it, but no traceback.
    written = capsys.readouterr().err
    assert "Traceback" not in written
    line = f"assay: cannot listen on 127.0.0.1:{port}: another process is listening on it; use --grpc-port with another"
    assert written.splitlines()[-1].startswith(line)


def test_grpc_stops_together_with_http(toy: Bundle, listen: Listen, hold: Hold) -> None:
    # Given a server with a request in each protocol that is being computed,
    server = listen(toy, grpc_port=0, threads=2, stop=120)
    held = hold(server.active_model.model)
    texts = ["good", "bad"]
    responses: dict[str, Any] = {}

    def infer() -> None:
        with client_module.InferenceServerClient(address(server)) as client:
            responses["grpc"] = client.infer("toy", [text_input(*texts)]).as_numpy("label")

    def post() -> None:
        responses["http"] = httpx.post(f"{server.url}/predict", json={"texts": texts}, timeout=60)

    clients = [threading.Thread(target=infer), threading.Thread(target=post)]
    for client in clients:
        client.start()
    wait_until(lambda: server.metric("assay_inference_tokenization_duration_seconds_count") == 2)
    port = server.port
    # when it stops,
    server.server.should_exit = True
    # then both refuse new clients while the requests are running,
    wait_until(lambda: not accepts(port))
    with client_module.InferenceServerClient(address(server)) as client:
        wait_until(lambda: not is_live(client))
    assert not responses
    held.release()
    for client in clients:
        client.join()
    # which are finished.
    assert responses["http"].status_code == 200
    assert responses["grpc"].shape == (len(texts),)


@pytest.fixture
def waiting(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Let no prediction end, and return those that are running."""
    running: list[Any] = []

    async def wait(*arguments: Any) -> Any:
        running.append(arguments)
        await asyncio.sleep(3600)

    monkeypatch.setattr(ModelCalls, "predict", wait)
    return running


def test_grpc_and_http_share_the_time_to_finish(
    toy: Bundle, listen: Listen, waiting: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a request in each protocol that never ends,
    server = listen(toy, grpc_port=0, stop=2)
    responses: dict[str, Any] = {}
    ended_before: list[float] = []
    stop = GrpcServer.stop

    async def stop_grpc(grpc: GrpcServer, grace: float | None = None) -> None:
        ended_before.append(refused(server, "predict", "stopping"))
        await stop(grpc, grace)

    monkeypatch.setattr(GrpcServer, "stop", stop_grpc)

    def infer() -> None:
        with client_module.InferenceServerClient(address(server)) as client:
            try:
                client.infer("toy", [text_input("good")])
            except client_module.InferenceServerException as error:
                responses["grpc"] = error

    def post() -> None:
        responses["http"] = httpx.post(f"{server.url}/predict", json={"text": "good"}, timeout=60)

    clients = [threading.Thread(target=infer), threading.Thread(target=post)]
    for client in clients:
        client.start()
    wait_until(lambda: len(waiting) == 2)
    server.active_model.draining = True
    begun = time.monotonic()
    server.stop()
    # then the time begins for both at once, not for one after the other, and the server says why it ends them.
    assert time.monotonic() - begun >= 2
    assert ended_before[0] == 0
    for client in clients:
        client.join()
    assert "the server is stopping" in responses["http"].json()["error"]
    assert responses["http"].status_code == 503
    assert status_of_error(responses["grpc"]) in ("UNAVAILABLE", "CANCELLED")
    assert [refused(server, protocol, "stopping") for protocol in ("predict", "grpc")] == [1, 1]


def test_grpc_ends_its_calls_at_a_second_signal(toy: Bundle, listen: Listen, waiting: list[Any]) -> None:
    # Given a call that never ends, and much time to finish it,
    server = listen(toy, grpc_port=0, stop=60)

    def infer() -> None:
        with client_module.InferenceServerClient(address(server)) as client, suppress(Exception):
            client.infer("toy", [text_input("good")])

    client = threading.Thread(target=infer)
    client.start()
    wait_until(lambda: len(waiting) == 1)
    server.active_model.draining = True
    threading.Timer(1, lambda: setattr(server.server, "force_exit", True)).start()
    begun = time.monotonic()
    # when the server is stopped twice, then it ends without that time.
    server.stop()
    assert time.monotonic() - begun < 20
    client.join()


def accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except ConnectionError:
        return False
    return True


@pytest.mark.slow  # a server as a process
def test_serve_speaks_grpc_until_it_is_stopped(toy: Bundle, tmp_path: Path) -> None:
    port = free_port()
    with serving(toy.folder, tmp_path / "log", "--grpc-port", str(port)) as server:
        with client_module.InferenceServerClient(f"127.0.0.1:{port}") as client:
            assert client.infer("toy", [text_input("good")]).as_numpy("label")[0] == b"up"
            server.terminate()
            wait_until(lambda: not is_live(client))
        assert server._process is not None
        assert server._process.wait(30) == 128 + signal.SIGTERM


def is_live(client: Any) -> bool:
    try:
        return bool(client.is_server_live())
    except client_module.InferenceServerException:
        return False


def test_grpc_limits_the_size_of_a_message(listen: Listen, toy: Bundle) -> None:
    server = listen(toy, grpc_port=0, body=1000)
    with client_module.InferenceServerClient(address(server)) as client:
        with pytest.raises(client_module.InferenceServerException, match="larger than max"):
            client.infer("toy", [text_input("good " * 400)])
        assert client.is_server_live()


@pytest.mark.parametrize(
    ("name", "content"),
    [("ModelInfer", b"\xff\xff\xff\xff"), ("ModelInfer", b"\x0a\x02\xff\xfe"), ("ServerReady", b"\xff\xff\xff\xff")],
)
def test_grpc_refuses_what_is_no_message(
    server: Listening, name: str, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with grpc.insecure_channel(address(server)) as channel, pytest.raises(grpc.RpcError) as error:
        channel.unary_unary(f"/inference.GRPCInferenceService/{name}")(content)
    assert error.value.code().name == "INVALID_ARGUMENT"
    assert "is not a message of the Open Inference Protocol" in error.value.details()
    assert not caplog.records


def test_grpc_refuses_tensors_that_are_no_texts_or_given_twice(server: Listening) -> None:
    with grpc.insecure_channel(address(server)) as channel:
        call = channel.unary_unary(
            "/inference.GRPCInferenceService/ModelInfer",
            request_serializer=messages.ModelInferRequest.SerializeToString,
        )
        for datatype, raw, contents, fault in (
            ("FP16", b"\0\0", [], "datatype is 'FP16'; send BYTES"),
            ("INT32", None, [], "datatype is 'INT32'; send BYTES"),
            ("BYTES", b"\xff\xff\xff\xffgood", [], "row 0: text ends after the tensor"),
            ("BYTES", b"\4\0\0\0good", [b"bad"], "input text has contents, and raw ones, too; send one of them"),
        ):
            request = messages.ModelInferRequest(model_name="toy")
            tensor = request.inputs.add(name="text", datatype=datatype, shape=[1])
            tensor.contents.bytes_contents.extend(contents)
            request.raw_input_contents.extend([] if raw is None else [raw])
            with pytest.raises(grpc.RpcError, match=fault) as error:
                call(request)
            assert error.value.code().name == "INVALID_ARGUMENT"
    assert server.metric("assay_inference_count_total") == 0
