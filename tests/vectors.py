"""An encoder whose vectors stand in the test."""

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True, eq=False)
class Given:
    """Vectors by id."""

    documents: dict = field(default_factory=dict)
    queries: dict = field(default_factory=dict)
    unit: str = "cos"

    def check(self):
        return None

    def facts(self):
        return {"encoder": "given"}

    def vectors(self, collection, role, rows, engine):
        table, named = (collection.queries, self.queries) if role == "query" else (collection.corpus, self.documents)
        ids = table["id"] if rows is None else table["id"].gather(rows)
        return np.array([named[i] for i in ids], dtype=np.float32)
