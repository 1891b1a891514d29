from tests.gate_candidates import candidate, champion, champion_store, deserted

__all__ = ["candidate", "champion", "champion_store", "deserted"]
