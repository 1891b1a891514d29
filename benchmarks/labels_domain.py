"""An encoder that knows the domain: all-MiniLM-L6-v2, fine-tuned on the classes of another set of financial texts.

Teams rarely label with an encoder that has never seen their kind of text. The labels of the set whose rows are ranked
stay unseen, so that one training serves every corruption of them.
"""

import numpy as np

from benchmarks.labels_data import CACHE, Array, LabelledRows, read_rows
from benchmarks.labels_fine_tuning import FineTunedEncoder

OTHERS = {"twitter_financial": "sentfin", "sentfin": "twitter_financial"}
LEARNING_RATE = 1e-4


def domain_states(rows: LabelledRows, other: str) -> Array:
    """Return the mean last state of each text (rows x width) by an encoder fine-tuned on another set; kept on disk."""
    path = CACHE / f"{rows.name}-domain.npy"
    if not path.exists():
        others = read_rows(other)
        encoder = FineTunedEncoder(
            others.texts, others.label, len(others.classes), learning_rate=LEARNING_RATE, trains_words=True
        )
        np.save(path, encoder.states(rows.texts))
    states: Array = np.load(path)
    return states
