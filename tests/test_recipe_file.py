"""Recipes as TOML: out, in, and overridden."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foils import recipe_file, recipes
from foils.bands import Band
from foils.errors import RecipeError
from foils.judges.answer import AnswerJudge
from foils.models.lsa import Lsa
from foils.recipes import Plan
from foils.select import Quota, SimAns, Top
from foils.steps import Recipe

PLAN = Plan(encoders=(("lsa", Lsa()),), column="links")
RICH = replace(PLAN, encoders=(*PLAN.encoders, ("frozen", Lsa())), judge=AnswerJudge())


@pytest.mark.parametrize("name", sorted(recipes.RECIPES))
def test_every_named_recipe_checks_and_survives_its_file(name):
    recipe = recipes.named(name, RICH)
    recipe.check()
    again = recipe_file.loads(recipe_file.dumps(recipe))
    assert again == recipe
    assert repr(again) == repr(recipe)


@given(
    n=st.integers(1, 99),
    a=st.floats(0.001, 100, allow_nan=False),
    shares=st.lists(st.tuples(st.text(min_size=1), st.integers(1, 5)), max_size=3),
)
def test_options_survive_the_file(n, a, shares):
    recipe = Recipe((SimAns(n=n, a=a), Quota(shares=tuple(shares))), name="π", paper='a "quoted" paper')
    assert recipe_file.loads(recipe_file.dumps(recipe)) == recipe


def test_a_null_that_is_not_the_default_survives_the_file():
    source, steps = recipes.named("naive", PLAN).steps[0], (Band(), Band(upper=None), Band(lower=-0.3, upper=None))
    recipe = Recipe((source, *steps))
    assert recipe_file.loads(recipe_file.dumps(recipe)) == recipe
    plain, unset = (recipe_file.dumps(Recipe((step,))) for step in steps[:2])
    assert "unset" not in plain
    assert 'unset = [\n    "upper",\n]' in unset


def test_a_file_from_an_editor_that_marks_utf_8_is_read(tmp_path):
    recipe = recipes.named("naive", PLAN)
    text = recipe_file.dumps(recipe).replace("\n", "\r\n")
    (tmp_path / "mine.toml").write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert recipe_file.load(tmp_path / "mine.toml") == recipe


def test_settings_override_by_method_or_label():
    recipe = recipes.named("simans", PLAN)
    changed = recipe_file.change(recipe, {"sim-ans.a": "0.7", "lsa.depth": "50", "sim-ans.form": "absolute"})
    assert changed.steps[-1].a == 0.7
    assert changed.steps[-1].form == "absolute"
    assert changed.steps[0].depth == 50
    assert recipe_file.change(recipe, {"dense.depth": "7"}).steps[0].depth == 7


def test_settings_reach_into_nested_parts():
    recipe = recipes.named("naive", PLAN)
    changed = recipe_file.change(recipe, {"lsa.encoder.dims": "32"})
    assert changed.steps[0].encoder.dims == 32


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"simans.a": "1"}, "no step 'simans'"),
        ({"top": "1"}, "no step"),
        ({"top.k": "1"}, "no option 'k'; options: by, n, seed, short"),
        ({"top.n": "many"}, "expected a whole number"),
        ({"top.n": "1.5"}, "expected a whole number"),
        ({"top.short": "never"}, "expected one of fewer, relax, random, drop query"),
    ],
)
def test_wrong_settings_say_what_would_work(setting, message):
    with pytest.raises(RecipeError, match=message):
        recipe_file.change(recipes.named("naive", PLAN), setting)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name = ", "not valid TOML"),
        ("name = 'x'", r"no \[\[step\]\] tables"),
        ("[[step]]\nuse = 'unheard-of'", "no method is called 'unheard-of'"),
        ("[[step]]\nn = 3", "expected a table with use"),
        ("[[step]]\nuse = 'top'\nk = 3", "step 1.*no option 'k'"),
        ("[[step]]\nuse = 'top'\nn = '3'", "expected a whole number"),
        ("[[step]]\nuse = 'top'\nunset = 'n'", "expected a list of options"),
        ("[[step]]\nuse = 'top'\nunset = ['k']", "no option 'k'"),
        ("[[step]]\nuse = 'top'\nunset = ['n']", "expected a whole number"),
        ("[[step]]\nuse = 'band'\nupper = 0.1\nunset = ['upper']", "upper has the value 0.1 and stands in unset"),
        ("[[step]]\nuse = 'lsa'", "not a step by itself"),
        ("[[step]]\nuse = 'quota'\nshares = [['bm25', '2']]", r"expected a list of \[text, a whole number\]"),
        ("[[step]]\nuse = 'quota'\nshares = ['bm25']", r"expected a list of \[text, a whole number\]"),
    ],
)
def test_wrong_files_say_where(text, message):
    with pytest.raises(RecipeError, match=message):
        recipe_file.loads(text)


def test_an_own_step_cannot_be_written_and_says_so():
    class Mine(Top):
        pass

    with pytest.raises(RecipeError, match="not registered"):
        recipe_file.dumps(Recipe((Mine(),)))


def test_a_recipe_without_a_source_is_refused():
    with pytest.raises(RecipeError, match="no source"):
        Recipe((Top(),)).check()


def test_missing_columns_are_found_before_anything_runs():
    steps = (*recipes.named("naive", PLAN).steps[:-1], Top(by="cos.other"))
    with pytest.raises(RecipeError, match=r"top needs the column cos\.other.*there are: cos\.lsa, rank\.lsa"):
        Recipe(steps).check()
