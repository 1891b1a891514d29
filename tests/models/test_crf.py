import itertools

import numpy as np
import torch

from assay.models.crf import IGNORED, LinearChainCrf, gather_words
from assay.serving.bundle import Crf

TAGS = 3


def _crf() -> LinearChainCrf:
    torch.manual_seed(1)
    crf = LinearChainCrf(TAGS)
    for parameter in crf.parameters():
        torch.nn.init.normal_(parameter)
    return crf


def _path_score(crf: LinearChainCrf, emissions: torch.Tensor, path: tuple[int, ...]) -> torch.Tensor:
    moves = sum((crf.between[a, b] for a, b in itertools.pairwise(path)), torch.tensor(0.0))
    emitted = torch.stack([emissions[unit, tag] for unit, tag in enumerate(path)]).sum()
    return crf.start[path[0]] + emitted + moves + crf.end[path[-1]]


def test_crf_likelihood_equals_the_enumeration_of_all_paths() -> None:
    # given two rows of 4 and 2 words, whose tokens are interleaved with others
    crf = _crf()
    emissions = torch.randn(2, 6, TAGS)
    tags = torch.tensor([[IGNORED, 0, 2, IGNORED, 1, 1], [2, IGNORED, 0, IGNORED, IGNORED, IGNORED]])

    # when every path is scored one by one
    total = torch.tensor(0.0)
    for row in range(2):
        positions = [position for position in range(6) if tags[row, position] != IGNORED]
        scores = [
            _path_score(crf, emissions[row, positions], path)
            for path in itertools.product(range(TAGS), repeat=len(positions))
        ]
        gold = _path_score(crf, emissions[row, positions], tuple(tags[row, positions].tolist()))
        total = total + torch.logsumexp(torch.stack(scores), 0) - gold

    # then the forward algorithm finds the same, a unit
    torch.testing.assert_close(crf(emissions, tags), total / 6)


def test_crf_decoding_finds_the_best_path() -> None:
    crf = _crf()
    emissions = torch.randn(5, TAGS)
    scored = {path: _path_score(crf, emissions, path).item() for path in itertools.product(range(TAGS), repeat=5)}
    scores = Crf.model_validate({name: value.tolist() for name, value in crf.state_dict().items()})
    found = scores.transitions().best_path(emissions.numpy().astype(np.float32))
    assert tuple(found.tolist()) == max(scored, key=lambda path: scored[path])


def test_crf_ignores_a_row_without_words() -> None:
    crf = _crf()
    emissions = torch.randn(2, 3, TAGS)
    tags = torch.tensor([[0, 1, 2], [IGNORED] * 3])
    alone = crf(emissions[:1], tags[:1])
    torch.testing.assert_close(crf(emissions, tags), alone)
    assert crf(emissions[1:], tags[1:]).item() == 0


def test_gather_words_moves_words_to_the_front_in_order() -> None:
    emissions = torch.arange(8.0).reshape(1, 8, 1)
    tags = torch.tensor([[IGNORED, 3, IGNORED, 1, 2, IGNORED, IGNORED, 0]])
    moved, moved_tags, mask = gather_words(emissions, tags)
    assert moved.flatten().tolist() == [1, 3, 4, 7]
    assert moved_tags.tolist() == [[3, 1, 2, 0]]
    assert mask.all()
