"""What is measured: statistics by hand, planted traces found, their intervals, and nothing found where nothing is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy.stats import mannwhitneyu

from foils.audit import Audit, audit
from foils.audit.bias import blind_auc
from foils.audit.measure import auc, cramer, one_sided_words, over_folds
from foils.audit.tongue import languages, scripts
from foils.audit.within import likeliest
from foils.errors import DataError, RecipeError

NOUNS = [
    "river",
    "house",
    "train",
    "garden",
    "window",
    "letter",
    "bridge",
    "winter",
    "market",
    "teacher",
    "forest",
    "kitchen",
    "island",
    "mirror",
    "engine",
]
VERBS = ["crosses", "follows", "opens", "leaves", "paints", "holds", "repairs", "finds", "carries", "sells"]


def sentence(rng: np.random.Generator, words: int = 12) -> str:
    return " ".join(str(rng.choice(NOUNS if i % 2 == 0 else VERBS)) + str(rng.integers(40)) for i in range(words))


def rows(n: int, seed: int = 0, negatives: int = 3) -> list[dict[str, Any]]:
    """Rows without any trace: queries are words of their positive."""
    rng = np.random.default_rng(seed)
    made = []
    for i in range(n):
        positive = sentence(rng)
        query = " ".join(positive.split()[:4]) + f" case{i}"
        made.append({"query": query, "pos": [positive], "neg": [sentence(rng) for _ in range(negatives)]})
    return made


def run(folder: Path, made: list[dict[str, Any]], **options: Any) -> Audit:
    file = folder / "train.jsonl"
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in made), encoding="utf-8")
    return audit(file, **{"sample": 0, **options})


def finding(found: Audit, key: str) -> Any:
    return next((f for f in found.findings if f.key == key), None)


def measure(found: Audit, key: str) -> Any:
    return next(m for m in found.measures if m.key == key)


def test_auc_is_that_of_mann_whitney_and_its_variance_shrinks() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 9, 60).astype(float), rng.integers(2, 11, 40).astype(float)
    value, variance = auc(a, b)
    assert value == pytest.approx(mannwhitneyu(b, a).statistic / (len(a) * len(b)))
    # By hand: positives 1, 2; negatives 2, 3. Below each negative: 1.5 and 2 of 2; above each positive: 2 and 1.5 of 2.
    assert auc(np.array([1.0, 2.0]), np.array([2.0, 3.0])) == (0.875, pytest.approx(2 * 0.03125 / 2))
    assert auc(np.tile(a, 4), np.tile(b, 4))[1] == pytest.approx(variance / 4, rel=0.05)
    # Two folds: half of the variance of one, and as much again for what their training rows share.
    low, high = over_folds([(0.5, 0.01), (0.7, 0.01)])[1:]
    assert (low, high) == (pytest.approx(0.6 - 1.96 * 0.015**0.5), pytest.approx(0.6 + 1.96 * 0.015**0.5))


def test_the_interval_of_the_auc_covers() -> None:
    rng = np.random.default_rng(1)
    inside = 0
    for _ in range(400):
        value, variance = auc(rng.normal(0, 1, 80), rng.normal(1, 1, 60))
        inside += abs(value - 0.7602) <= 1.96 * variance**0.5  # Phi(1 / sqrt 2)
    assert 0.92 <= inside / 400 <= 0.98


def test_z_of_a_word_by_hand() -> None:
    z, critical = one_sided_words(np.array([10.0, 50.0]), np.array([30.0, 50.0]))
    assert z[0] == pytest.approx((0.75 - 0.5) / np.sqrt(0.25 / 40))
    assert z[1] == 0
    assert critical == pytest.approx(2.807, abs=1e-3)  # two-sided .01 over two words: the 99.75th percentile


def test_cramer_of_independent_columns_is_near_zero() -> None:
    rng = np.random.default_rng(2)
    table = rng.multinomial(2000, np.outer([0.2, 0.3, 0.5], [0.4, 0.6]).ravel()).reshape(3, 2).astype(float)
    assert cramer(table) < 0.06
    assert cramer(np.array([[30.0, 10.0], [10.0, 30.0]])) == pytest.approx(0.49, abs=0.01)
    assert cramer(np.array([[3.0, 0.0]])) == 0


def test_a_file_without_traces_shows_none(tmp_path: Path) -> None:
    found = run(tmp_path, rows(400, seed=1))
    assert found.clean
    assert not {f.key for f in found.findings} & {"give-away", "give-away-words", "length-bias", "source-bias"}
    blind = measure(found, "give-away")
    assert blind.low < 0.5 < blind.high
    length = measure(found, "length-bias")
    assert length.low < 0.5 < length.high


def test_the_blind_interval_covers_chance() -> None:
    inside = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        texts = pl.Series([sentence(rng) for _ in range(400)])
        found = blind_auc(texts, texts.hash())
        inside += found.low <= 0.5 <= found.high
    assert inside >= 18


def test_a_word_that_gives_the_label_away(tmp_path: Path) -> None:
    made = rows(400)
    for i, row in enumerate(made):
        if i % 2:
            row["neg"] = [text + " allegedly" for text in row["neg"]]
    found = run(tmp_path, made)
    words = finding(found, "give-away-words")
    assert words.table[0][0] == "word"
    assert words.table[1][0] == "allegedly"
    assert words.table[1][1] == "0"
    assert words.count == 1
    assert "allegedly" in words.examples[0].document
    blind = finding(found, "give-away")
    assert "AUC 0.7" in blind.measure
    assert measure(found, "give-away").low > 0.6


def test_the_blind_classifier_is_not_fooled_by_what_it_has_seen(tmp_path: Path) -> None:
    """Ten documents are the negatives of all queries: memory would tell them, wording does not."""
    made, few = rows(600), [sentence(np.random.default_rng(9)) for _ in range(10)]
    for i, row in enumerate(made):
        row["neg"] = [few[i % 10]]
    found = run(tmp_path, made)
    # Only ten different negatives are left: too few to say anything about wording.
    assert not [m for m in found.measures if m.key == "give-away"]
    hub = finding(found, "reuse-hub")
    assert hub is None  # 60 uses each is what every document has here


def test_hubs_are_few_documents_among_many(tmp_path: Path) -> None:
    made = rows(600)
    hub = "this one page answers nothing at all"
    for row in made[:300]:
        row["neg"][1] = hub
    made[400]["pos"] = [hub]
    found = run(tmp_path, made)
    reuse = finding(found, "reuse-hub")
    assert reuse.count == 1
    assert reuse.table[1] == (hub, "300", "1")
    changes = found.fix(tmp_path / "out.jsonl", also=["reuse-hub"]).changes
    limit = int(reuse.measure.split()[1])
    assert [(c.key, c.times) for c in changes] == [("reuse-hub", 300 - limit + 1)]
    assert finding(audit(tmp_path / "out.jsonl", sample=0), "reuse-hub") is None


def test_length(tmp_path: Path) -> None:
    made, rng = rows(300), np.random.default_rng(3)
    for row in made:
        row["neg"] = [sentence(rng, 20)]
    found = run(tmp_path, made)
    bias = finding(found, "length-bias")
    assert "a negative is longer in 100 %" in bias.measure
    assert measure(found, "length-bias").value > 0.95
    assert "characters, positive" in bias.examples[0].note


@pytest.mark.parametrize("how", ["aligned", "inside", "id"])
def test_source(how: str, tmp_path: Path) -> None:
    made = rows(200)
    for i, row in enumerate(made):
        negatives = ["web"] * 3 if i % 4 else ["wiki"] * 3
        if how == "aligned":
            row |= {"pos_source": ["wiki"], "neg_source": negatives}
        elif how == "inside":
            row["pos"] = [{"text": row["pos"][0], "source": "wiki"}]
            row["neg"] = [{"text": t, "source": s} for t, s in zip(row["neg"], negatives, strict=True)]
        else:
            row |= {"pos_id": [f"wiki-{i}"], "neg_id": [f"{s}-{i}{j}" for j, s in enumerate(negatives)]}
    source = finding(run(tmp_path, made), "source-bias")
    assert source.table[1:] == (("web", "0%", "75%"), ("wiki", "100%", "25%"))
    assert source.table[0][0] == ("beginning of the id" if how == "id" else "source")


def test_scripts_and_languages_of_texts() -> None:
    texts = ["plain words", "слова по-русски", "単語です", "كلمات عربية", "12 + 7", "ab", "Straße und Öl", "हिन्दी शब्द"]
    assert scripts(pl.Series(texts)).to_list() == [
        "Latin", "Cyrillic", "Han", "Arabic", None, None, "Latin", "Devanagari",
    ]  # fmt: skip
    told = languages(pl.Series([
        "the house of the king was built on a hill and it is old", "das Haus des Königs steht auf einem Berg und ist alt",
        "la maison du roi est sur une colline et elle est dans la ville", "Rhein Donau Elbe", "",
    ]))  # fmt: skip
    assert told.to_list() == ["en", "de", "fr", None, None]


def test_negatives_in_another_language_or_script(tmp_path: Path) -> None:
    english = "the house of the king was built on a hill and it is old, number {}"
    german = "das Haus des Königs steht auf einem Berg und ist sehr alt, Nummer {}"
    russian = "дом короля стоит на холме, и он очень старый, номер {}"
    query = "where is the house of the king and who was in it {}"
    made = [
        {"query": query.format(i), "pos": [english.format(i)], "neg": [english.format(100 + i), t.format(i)]}
        for i, t in enumerate([german, russian, english])
    ]
    # Across languages on purpose: the positive is in the other language too.
    made.append({"query": query.format(9), "pos": [german.format(9)], "neg": [german.format(99)]})
    found = run(tmp_path, made)
    assert finding(found, "language-mismatch").count == 1
    assert finding(found, "language-mismatch").examples[0].note == "de, query en"
    assert finding(found, "script-mismatch").count == 1
    found.fix(tmp_path / "out.jsonl", also=["language-mismatch", "script-mismatch"])
    again = audit(tmp_path / "out.jsonl", sample=0)
    assert not {f.key for f in again.findings} & {"language-mismatch", "script-mismatch"}


def mixed(n: int, hidden: int) -> list[dict[str, Any]]:
    """Easy negatives, and in every row ``hidden`` negatives that say what the positive says."""
    made = rows(n, seed=5, negatives=4)
    rng = np.random.default_rng(6)
    for row in made:
        words = row["pos"][0].split()
        for place in range(hidden):
            row["neg"][place] = " ".join([*rng.permutation(words).tolist(), f"more{rng.integers(1000)}"])
    return made


def test_hidden_answers_are_estimated_and_easy_ones_counted(tmp_path: Path) -> None:
    few, many = (run(tmp_path, mixed(50, hidden), sample=1000) for hidden in (0, 2))
    shares = [measure(found, "false-negative") for found in (few, many)]
    assert all(m.low <= m.value <= m.high for m in shares)
    assert shares[0].high < shares[1].low
    assert "rests on the shipped detector" in shares[0].note
    estimated = finding(many, "false-negative")
    assert estimated.low == shares[1].low
    assert estimated.count == round(shares[1].value * 200)
    # The examples are copies in another order, rated the likeliest.
    assert all("more" in example.document for example in estimated.examples)
    assert measure(few, "too-easy").value > 0.8
    assert measure(many, "too-easy").value < 0.55
    assert finding(few, "too-easy").severity == "warning"


def test_a_sample_of_queries_stands_for_the_whole(tmp_path: Path) -> None:
    made = mixed(60, 1)
    whole = measure(run(tmp_path, made, sample=1000), "false-negative")
    part = measure(run(tmp_path, made, sample=30), "false-negative")
    # Where every query was rated there is still an interval: of queries like these.
    assert 0 < whole.high - whole.low < part.high - part.low
    # Beside the draw, the detector sees other queries and so another mean query.
    assert part.low - 0.01 < whole.value < part.high + 0.01
    assert "of 30 queries" in part.note


def test_the_likeliest_go_and_no_more_than_needed() -> None:
    """By hand: 0.9 + 0.1 + 0.1 + 0.1 over 4 is 0.3; without 0.9 it is 0.1."""
    frame = pl.DataFrame({"entry": [3, 5, 7, 9], "unit": [3, 5, 7, 9], "p": [0.1, 0.9, 0.1, 0.1]})
    assert likeliest(frame, 0.3).tolist() == []
    assert likeliest(frame, 0.29).tolist() == [5]
    assert likeliest(frame, 0.1).tolist() == [5]
    assert likeliest(frame, 0.05).tolist() == [3, 5, 7, 9]
    # As rows, the second one (0.1, 0.1) stays whole, and the clean document of the first goes with the other.
    whole = frame.with_columns(unit=pl.Series([-1, -1, -2, -2]))
    assert likeliest(whole, 0.1).tolist() == [3, 5]


def test_a_fix_within_a_risk_takes_the_likeliest(tmp_path: Path) -> None:
    made = mixed(50, 2)
    found = run(tmp_path, made, risk=0.05, sample=20)
    assert found.within is not None
    assert found.within.state == "above"
    assert found.within.rate == measure(found, "false-negative").value > 0.1
    assert "risk 5%: estimated" in found.text()
    assert "above the risk" in " ".join(found.text().split())
    assert "rests on the shipped detector" in found.within.why
    assert "above the risk" in found.html()
    assert found.data()["risk"]["state"] == "above"
    fixed = found.fix(tmp_path / "out.jsonl")
    assert {change.key for change in fixed.changes} == {"false-negative"}
    assert fixed.within is not None
    assert fixed.within.rate <= 0.05
    assert "after the repair, risk 5%" in fixed.text()
    assert "by the shipped detector, without verdicts" in " ".join(fixed.text().split())
    kept = [t for line in (tmp_path / "out.jsonl").read_text().splitlines() for t in json.loads(line)["neg"]]
    assert fixed.within.negatives == len(kept)
    hidden = sum("more" in text for text in kept)
    assert hidden < 20  # of 100
    assert sum("more" not in text for text in kept) > 90  # of 100


def test_a_risk_counts_what_goes_with_a_row(tmp_path: Path) -> None:
    """In columns that must all hold a document, a false negative takes its row with it, and clean ones go too."""
    rows_, rng = mixed(50, 1), np.random.default_rng(8)
    for row in rows_:
        row["positive"] = row.pop("pos")[0]
        row |= {f"negative_{i}": text for i, text in enumerate(row.pop("neg"), 1)}
    for row in rows_[10:]:  # ten rows in fifty hold a false negative
        row["negative_1"] = sentence(rng)
    found = run(tmp_path, rows_, risk=0.04, sample=1000)
    fixed = found.fix(tmp_path / "out.jsonl")
    left = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert fixed.within is not None
    assert fixed.within.rate <= 0.04
    assert fixed.within.negatives == 4 * len(left)
    assert len(left) < 50


def test_a_risk_that_cannot_be_judged_or_met_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="5 queries"):
        run(tmp_path, rows(5), risk=0.05, sample=1000)
    found = run(tmp_path, mixed(30, 4), risk=0.001, sample=1000)
    with pytest.raises(DataError, match="hardly a negative would be left"):
        found.fix(tmp_path / "out.jsonl")
    assert not (tmp_path / "out.jsonl").exists()
    with pytest.raises(RecipeError, match="say how many may stay"):
        run(tmp_path, rows(5)).fix(tmp_path / "out.jsonl", also=["false-negative"])


def test_text_page_and_json(tmp_path: Path) -> None:
    made = rows(3)
    made[0]["neg"][0] = made[0]["pos"][0] = "<script>alert(1)</script> \x1b[31m red"
    found = run(tmp_path, made)
    told = found.text(width=100)
    assert "ERROR own-positive" in told
    assert "1 of 9 negatives (11%)" in told
    assert "repair: foils audit" in told
    assert "\x1b" not in told
    page = found.html()
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert 'id="own-positive"' in page
    assert "http" not in page.replace("http-equiv", "")
    assert page == run(tmp_path, made).html()
    data = json.loads(json.dumps(found.data(), allow_nan=False))
    assert data["sizes"] == {"rows": 3, "queries": 3, "documents": 11, "positives": 3, "negatives": 9}
    assert data["findings"][0]["share"] == pytest.approx(1 / 9)
    assert data["clean"] is False
    assert "nothing found" in run(tmp_path, rows(3)).text()
    assert "Nothing was found" in run(tmp_path, rows(3)).html()
