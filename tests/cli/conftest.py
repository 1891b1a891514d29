from pathlib import Path

import pytest

from tests.flows.tiny import write_rows

RECIPE = """
name: tiny
source: {{kind: files, paths: {{{corpus}: all}}, fields: {{label: label, entities: entities}}}}
validation: {{max_duplicate_share: 1.0}}
model: {{scratch: {{layers: 1}}, heads: [sentence, tokens]}}
gate: {{min_f1: {{sentence: 0.5, tokens: 0.5}}}}
registry: {{name: tiny}}
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    corpus = write_rows(tmp_path / "rows.jsonl", 100)
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE.format(corpus=corpus))
    return path
