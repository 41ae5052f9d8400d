"""Whatever the description of the API allows is answered as it says, and all else is refused."""

import pytest
from hypothesis import given, settings
from serving import Client

schemathesis = pytest.importorskip("schemathesis", reason='pip install "schemathesis>=4"')

OPERATIONS = [
    ("POST", "/api/text"),
    ("POST", "/api/texts"),
    ("POST", "/api/pair"),
    ("GET", "/api/info"),
    ("GET", "/health"),
]


@pytest.fixture(scope="module")
def described(client: Client):  # type: ignore[no-untyped-def]
    return schemathesis.openapi.from_url(f"{client.address}/openapi.json")


def test_every_operation_is_tried(described) -> None:  # type: ignore[no-untyped-def]
    found = {(one.ok().method.upper(), one.ok().path) for one in described.get_all_operations()}
    assert found == set(OPERATIONS)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["positive", "negative"])
@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_answers_are_as_described(method, path, mode, described) -> None:  # type: ignore[no-untyped-def]
    operation = described[path][method]
    if mode == "negative" and method == "GET":
        pytest.skip("nothing can be wrong with a request that has no body")
    wanted = schemathesis.GenerationMode(mode)

    @given(operation.as_strategy(generation_mode=wanted))
    @settings(max_examples=25, deadline=None, derandomize=True, database=None)
    def check(case) -> None:  # type: ignore[no-untyped-def]
        case.call_and_validate()

    check()
