"""One request, from the parameters that a server takes to the pauses between repetitions."""

import json
from functools import partial
from typing import Any

import pytest

from mrl_adapters.embeddings.openai.packing import Piece
from mrl_adapters.embeddings.openai.requests import Batch, Patience, Server, Terms
from mrl_adapters.waiting import Pause


class RefusedError(Exception):
    def __init__(self, said: str = "", status: int = 400) -> None:
        super().__init__(said)
        self.status_code = status


def body(*embeddings: Any) -> bytes:
    return json.dumps({"data": [{"embedding": embedding} for embedding in embeddings]}).encode()


class Dialogue:
    """A request that is carried out by hand."""

    def __init__(self, server: Server, *texts: str) -> None:
        pieces = [Piece(text, row, 1) for row, text in enumerate(texts or ("a",))]
        batch = partial(Batch, count=lambda usage: None, body={}, fields={})
        self.steps = batch("m", pieces, server, Patience(None, 0)).steps()
        self.request = next(self.steps).request()

    def refuse(self, said: str = "", status: int = 400) -> dict[str, Any]:
        step = self.steps.throw(RefusedError(said, status))
        assert not isinstance(step, Pause)
        self.request = step.request()
        return self.request

    def answer(self, *embeddings: Any) -> Any:
        with pytest.raises(StopIteration) as end:
            self.steps.send(body(*embeddings))
        return end.value.value.tolist()


def test_a_refused_parameter_is_left_out_from_then_on():
    server = Server(Terms(64, optional=True), 10)
    dialogue = Dialogue(server)
    assert dialogue.request["dimensions"] == 64
    assert "dimensions" not in dialogue.refuse(status=422)
    assert dialogue.answer([1.0]) == [[1.0]]
    assert server.terms.dimensions is None
    assert "dimensions" not in Dialogue(server).request


def test_what_is_refused_without_any_parameter_was_not_their_fault():
    server = Server(Terms(64, optional=True), 10)
    dialogue = Dialogue(server)
    for _ in range(3):
        dialogue.refuse()
    with pytest.raises(RefusedError):
        dialogue.refuse()
    assert server == Server(Terms(64, optional=True), 10)


def test_a_request_that_is_refused_late_goes_on_as_others_have_agreed_meanwhile():
    server = Server(Terms(), 10)
    first, second = Dialogue(server), Dialogue(server)
    assert first.refuse("encoding_format")["encoding_format"] == "float"
    first.answer([1.0])
    assert second.refuse()["encoding_format"] == "float"
    with pytest.raises(RefusedError):
        second.refuse()
