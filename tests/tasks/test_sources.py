import pytest
from prefect.blocks.system import Secret

from corpus.errors import AssayError
from recipes.source import MongoSource
from tasks.sources import mongo_query, resolve_address

ADDRESS = "mongodb://anna:geheim@db.example:27017"


def test_the_address_behind_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_TEST_MONGODB", f" {ADDRESS}\n")

    query = mongo_query(MongoSource(kind="mongo", uri="env:ASSAY_TEST_MONGODB", database="d", collection="c"), ["text"])

    assert (query.uri, query.name, query.fields) == (ADDRESS, "d.c", ["text"])
    assert "geheim" not in repr(query)


def test_a_plain_address_is_itself() -> None:
    assert resolve_address("mongodb://db.example") == "mongodb://db.example"


@pytest.mark.usefixtures("prefect_server")
def test_the_address_behind_a_secret_block() -> None:
    Secret(value=ADDRESS).save("mongo-address")

    assert resolve_address("block:mongo-address") == ADDRESS
    with pytest.raises(AssayError, match=r"source\.uri is block:nothing, but Prefect has no Secret block of that name"):
        resolve_address("block:nothing")


def test_a_recipe_refuses_operators_that_run_code() -> None:
    with pytest.raises(ValueError, match=r"source\.filter holds the operator '\$where'; allowed are"):
        MongoSource(kind="mongo", database="d", collection="c", filter={"$where": "true"})
