import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foils.collection import Collection
from foils.engine import Local
from foils.errors import RecipeError
from foils.models.lsa import Lsa, terms
from foils.protocols import Encoder


def collection(docs, queries=("?",)):
    corpus = pl.DataFrame({"id": [str(i) for i in range(len(docs))], "text": list(docs)})
    asked = pl.DataFrame({"id": [str(i) for i in range(len(queries))], "text": list(queries)})
    labels = pl.DataFrame(schema={"query": pl.UInt32, "doc": pl.UInt32, "grade": pl.Int32})
    return Collection(corpus, asked, labels)


def test_words_of_any_script():
    assert terms("Snake_case, don't; ÀÉ 3.14") == ["snake", "case", "don", "t", "àé", "3", "14"]
    assert terms("हिन्दी में") == ["हिन्दी", "में"]
    assert terms("Ｆｕｌｌ ﬁne") == ["full", "fine"]
    assert terms("в Москве") == ["в", "москве"]
    assert terms("用Python写") == ["用", "python", "写"]
    assert "กร" in terms("กรุงเทพ")
    assert terms(" … !") == []


def test_related_words_come_closer_through_the_documents_that_share_them():
    docs = [
        "car engine motor",
        "automobile engine motor",
        "car wheel",
        "automobile wheel",
        "banana fruit",
        "apple fruit",
    ]
    data = collection(docs, ["car", "banana"])
    lsa = Lsa(dims=3)
    found, asked = lsa.vectors(data, "document", None, Local()), lsa.vectors(data, "query", None, Local())
    scores = asked @ found.T
    assert scores[0, 3] > 0.5  # "automobile wheel" shares no word with "car"
    assert scores[0, 4:].max() < 0.05
    assert scores[1, 5] > 0.5


def test_rows_are_unit_rows_in_the_order_asked_for():
    data = collection(["a b", "b c", "c d", "unlike"], ["b", "never seen"])
    lsa = Lsa()
    everything = lsa.vectors(data, "document", None, Local())
    some = lsa.vectors(data, "document", np.array([2, 0, 2], dtype=np.uint32), Local())
    np.testing.assert_array_equal(some, everything[[2, 0, 2]])
    assert everything.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(everything, axis=1), 1, rtol=1e-5)
    asked = lsa.vectors(data, "query", None, Local())
    assert not asked[1].any()
    assert lsa.vectors(data, "query", np.zeros(0, dtype=np.uint32), Local()).shape == (0, everything.shape[1])
    assert isinstance(lsa, Encoder)


def test_the_same_bytes_every_time():
    rng = np.random.default_rng(0)
    docs = [" ".join(f"w{n}" for n in rng.integers(0, 300, 20)) for _ in range(80)]
    one = Lsa(dims=16).vectors(collection(docs), "document", None, Local())
    two = Lsa(dims=16).vectors(collection(docs), "document", None, Local())
    assert one.tobytes() == two.tobytes()
    assert one.shape == (80, 16)


@pytest.mark.parametrize("docs", [["one document"], ["…"], ["?", "!"], ["same", "same", "same"], ["x"]])
def test_tiny_corpora(docs):
    data = collection(docs, ["one", "same"])
    for role in ("document", "query"):
        found = Lsa().vectors(data, role, None, Local())
        assert np.isfinite(found).all()
        assert found.shape[0] == (len(docs) if role == "document" else 2)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text(max_size=30), min_size=1, max_size=8))
def test_property_norms_are_one_or_zero(docs):
    found = Lsa(dims=4).vectors(collection(docs), "document", None, Local())
    norms = np.linalg.norm(found, axis=1)
    assert ((np.abs(norms - 1) < 1e-4) | (norms == 0)).all()


def test_chinese_questions_find_their_paragraph():
    docs = ["北京大学位于北京市海淀区。", "上海是中国最大的城市之一。", "长江是亚洲最长的河流。"]
    data = collection(docs, ["北京大学在哪里?", "最长的河流是什么?"])
    lsa = Lsa()
    scores = lsa.vectors(data, "query", None, Local()) @ lsa.vectors(data, "document", None, Local()).T
    assert scores.argmax(axis=1).tolist() == [0, 2]


def test_options_and_facts():
    Lsa().check()
    with pytest.raises(RecipeError, match="dims=0"):
        Lsa(dims=0).check()
    assert Lsa().unit == "cos"
    assert Lsa().facts()["model"] == "Lsa(dims=256, seed=0)"
