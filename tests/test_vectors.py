import numpy as np
import pytest

from build import collection
from foils.errors import DataError, RecipeError
from foils.models.vectors import Vectors
from foils.protocols import Encoder


def unit(n, d=6, seed=0):
    rows = np.random.default_rng(seed).standard_normal((n, d))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def files(tmp_path):
    np.save(tmp_path / "q.npy", unit(3))
    np.save(tmp_path / "d.npy", unit(20, seed=1))
    return tmp_path


def test_it_is_an_encoder():
    assert isinstance(Vectors(unit(1), unit(1)), Encoder)


@pytest.mark.parametrize("as_text", [True, False])
def test_files_are_memory_mapped(files, engine, as_text):
    paths = [files / "q.npy", files / "d.npy"]
    encoder = Vectors(*([str(p) for p in paths] if as_text else paths))
    encoder.check()
    found = encoder.vectors(collection(queries=3), "document", None, engine)
    assert isinstance(found, np.memmap) or isinstance(found.base, np.memmap)
    np.testing.assert_array_equal(found, unit(20, seed=1))


def test_rows_in_the_order_asked_for(engine):
    encoder = Vectors(unit(3), unit(20, seed=1))
    rows = np.array([7, 0, 7], dtype=np.uint32)
    np.testing.assert_array_equal(
        encoder.vectors(collection(queries=3), "document", rows, engine), unit(20, seed=1)[[7, 0, 7]]
    )


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_other_floats_are_converted(engine, dtype):
    found = Vectors(unit(3).astype(dtype), unit(20)).vectors(collection(queries=3), "query", None, engine)
    assert found.dtype == np.float32


def test_another_number_of_rows_is_refused(engine):
    encoder = Vectors(unit(3), unit(19))
    with pytest.raises(DataError, match="19 document vectors were given for 20 documents"):
        encoder.vectors(collection(queries=3), "document", None, engine)


def test_cos_needs_unit_rows_but_lets_zeros_through(engine):
    rows = unit(20)
    rows[4] = 0
    assert Vectors(unit(3), rows).vectors(collection(queries=3), "document", None, engine).shape == (20, 6)
    rows[5:8] *= 3
    with pytest.raises(DataError, match=r"3 of 20 document vectors do not have length 1 \(for instance 3\)"):
        Vectors(unit(3), rows).vectors(collection(queries=3), "document", None, engine)
    assert Vectors(unit(3), rows, unit="dot").vectors(collection(queries=3), "document", None, engine).shape == (20, 6)


def test_check_finds_what_is_wrong_before_any_work(files):
    with pytest.raises(DataError, match=r"none\.npy does not exist; query vectors"):
        Vectors(files / "none.npy", files / "d.npy").check()
    (files / "text.npy").write_text("no array")
    with pytest.raises(DataError, match=r"is not a \.npy file"):
        Vectors(files / "q.npy", files / "text.npy").check()
    with pytest.raises(DataError, match="6 dimensions and document vectors 5"):
        Vectors(files / "q.npy", unit(20, d=5)).check()
    with pytest.raises(DataError, match=r"shape \(6,\)"):
        Vectors(unit(3)[0], files / "d.npy").check()
    with pytest.raises(DataError, match="type int64"):
        Vectors(np.ones((3, 6), dtype=np.int64), files / "d.npy").check()
    with pytest.raises(RecipeError, match="unit='l2'"):
        Vectors(files / "q.npy", files / "d.npy", unit="l2").check()


def test_facts_change_with_the_vectors(files):
    facts = Vectors(files / "q.npy", files / "d.npy").facts()
    assert facts["documents"].startswith("20 x 6 float32, ")
    assert facts == Vectors(unit(3), unit(20, seed=1)).facts()
    assert facts["queries"] != Vectors(unit(3, seed=5), files / "d.npy").facts()["queries"]


def test_equality_by_path_or_by_array():
    rows = unit(3)
    assert Vectors("q.npy", "d.npy") == Vectors("q.npy", "d.npy")
    assert Vectors(rows, rows) == Vectors(rows, rows)
    assert Vectors(rows, rows) != Vectors(rows, rows.copy())
    assert len({Vectors(rows, "d.npy"), Vectors(rows, "d.npy"), Vectors(rows, "d.npy", unit="dot")}) == 2
