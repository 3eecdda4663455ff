"""Captions from frames: scenes with open slots, told in six ways (`counterparts/frames.jsonl`, a language model's).

A frame's slots are filled at random and two of them exchanged: two pictures, each told in two of the six ways. So
the words say nothing about which caption fits, only who does what does, and no two pictures are the same.
Read by typed_asked.py.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from foils.make.twosided import TwoSided

FRAMES = Path(__file__).parent / "counterparts" / "frames.jsonl"
# One concept per comma; other words for it behind a bar.
WORDS = {
    "noun_person": """man|guy|gentleman, woman|lady, boy|young boy, girl|young girl, child|kid, teenager|teen,
        toddler|small child, baby|infant, nurse, doctor|physician, farmer, police officer|cop, firefighter|fireman,
        chef|cook, waiter, waitress, teacher, student, bride, groom, grandmother|grandma, grandfather|grandpa,
        soldier, sailor, clown, musician, singer, dancer, painter|artist, photographer, cyclist, skier, surfer,
        skateboarder|skater, jogger|runner, tourist, postman|mail carrier, baker, butcher, carpenter, mechanic, pilot,
        swimmer, tennis player, soccer player, goalkeeper, referee, coach, barber|hairdresser, gardener, fisherman,
        cowboy, monk, priest, king, queen, pirate, wizard, astronaut, shopkeeper, customer, neighbor, guard, hiker,
        driver, passenger, conductor, janitor|cleaner, reporter, athlete, acrobat, scientist, judge, blonde woman,
        bald man, bearded man, old woman|elderly woman, old man|elderly man, pregnant woman, mother|mom, father|dad,
        ballerina, magician, beggar, bishop""",
    "noun_animal": """dog|hound, cat, kitten, puppy, horse, pony, cow, bull, calf, sheep, lamb, goat, pig, piglet,
        donkey, mule, rabbit|bunny, mouse, rat, squirrel, fox, wolf, bear, lion, tiger, leopard, elephant, giraffe,
        zebra, camel, llama, monkey, gorilla, kangaroo, deer, moose, goose, duck, duckling, swan, chicken|hen,
        rooster, turkey, pigeon, seagull|gull, crow, parrot, owl, eagle, hawk, ostrich, peacock, penguin, seal, otter,
        beaver, turtle|tortoise, frog, toad, snake, lizard, crocodile, hedgehog, raccoon, skunk, badger, hamster""",
    "noun_vehicle": """car|automobile, truck, van, bus, taxi|cab, motorcycle|motorbike, scooter|moped, bicycle|bike,
        tractor, ambulance, fire engine|fire truck, police car, train, tram|streetcar, jeep, trailer, wagon,
        limousine, pickup truck, delivery van, sports car, minivan, carriage, cart, excavator|digger, bulldozer,
        camper, school bus, tank, snowplow, ferry, yacht, sailboat, canoe, kayak, rowboat""",
    "noun_thing": """cup|mug, plate, bowl, book, umbrella, suitcase, backpack|rucksack, phone|cell phone,
        laptop|notebook computer, camera, ball, kite, teddy bear|stuffed bear, doll, vase, candle, clock, lamp,
        bottle, glass, knife, fork, spoon, pan, kettle|teapot, pillow|cushion, blanket, towel, toothbrush, comb,
        mirror, picture frame, newspaper, magazine, guitar, violin, drum, trumpet, skateboard, surfboard,
        tennis racket, baseball bat, helmet, scarf, pair of scissors, remote control, keyboard, hammer, bucket, broom,
        shovel, rope, ladder, toy car, rubber duck, football, frisbee, balloon, flag, letter, key, wallet, watch,
        coin, hat, shoe, boot, glove, bag""",
    "noun_garment": """coat, jacket, hat, cap, shirt, sweater|pullover, dress, skirt, scarf, vest, hoodie, raincoat,
        robe, uniform, apron, tie, bow tie, suit, blouse, cardigan, poncho, jersey, helmet, beret, bonnet, cloak|cape,
        kimono, T-shirt|tee, wig, crown, backpack, swimsuit""",
    "noun_furniture": """table, chair, sofa|couch, bench, bed, desk, shelf, cupboard|cabinet, wardrobe|closet,
        dresser|chest of drawers, stool, armchair, bookcase, cradle|crib, rug|carpet, coffee table, counter,
        rocking chair, nightstand, piano, fridge|refrigerator, stove|oven, bathtub|tub, sink""",
    "noun_container": """basket, box, bucket|pail, bowl, suitcase, crate, jar, barrel, drawer, bag, tin|can, pot,
        trunk|chest, tray, backpack, shopping cart|shopping trolley, bin|trash can, sack, vase, cooler""",
    "noun_food": """apple, banana, orange, pear, slice of pizza|pizza slice, sandwich, hamburger|burger, hot dog,
        cake, cupcake, pie, cookie|biscuit, donut|doughnut, croissant, bagel, loaf of bread|bread loaf, egg, carrot,
        tomato, potato, cucumber, onion, broccoli floret, lemon, strawberry, pineapple, melon, pumpkin, sausage,
        steak, fish fillet, muffin, pancake, waffle, salad, cheese wheel, chocolate bar, burrito""",
    "noun_building": """house|home, church, barn, tower, castle, school, hotel, shop|store, garage, factory, windmill,
        lighthouse, skyscraper|high-rise, shed|hut, cottage|cabin, temple, museum, station, bakery,
        pharmacy|drugstore, cinema|movie theater, bank, gas station, library, hospital, stadium, greenhouse""",
    "noun_tree": """palm tree, bush|shrub, flower pot, oak, pine tree, apple tree, hedge, cactus, birch, willow,
        rose bush, fern, maple tree, sunflower, potted plant""",
    "colour": """red, blue, green, yellow, black, white, brown, orange, pink, purple|violet, gray|grey, silver,
        golden, beige|tan, turquoise|teal, maroon, navy-blue|dark-blue""",
    "size": """tiny|very small, small|little, large|big, huge|enormous|gigantic, medium-sized|mid-sized, tall, short,
        narrow, wide|broad, thick, thin""",
    "material": """wooden, metal, plastic, glass, stone, leather, cardboard, ceramic, brick, steel, marble, rubber,
        bamboo, paper, concrete""",
    "pattern": """striped, checkered|checked, spotted|dotted, flowered|floral, plain|unpatterned,
        polka-dot|polka-dotted, zigzag, plaid|tartan, camouflage, rainbow-colored""",
    "age": """old, new, brand-new, ancient|very old, modern, antique, vintage, used|second-hand, young""",
    "state": """open, closed|shut, broken, empty, full, wet, dry, dirty, clean, rusty, dusty, torn, shiny, burning,
        folded, frozen, muddy, painted, unfinished""",
    "number": """two|a pair of, three, four, five, six, seven, eight, many|lots of, a dozen|twelve, ten""",
    "look": """tall, short, smiling|grinning, bearded, sleepy|tired, bald, blond, angry|furious, crying|weeping,
        laughing, serious, muscular|strong, skinny|thin, sunburned, freckled, elegant, barefoot, wet, muddy, excited,
        bored, scared|frightened, curly-haired, long-haired, dark-haired, red-haired, young, elderly|old""",
    "people": """two boys, two girls, two men, two women, three children|three kids, some tourists, several students,
        a group of nurses, four soldiers, some teenagers, a few farmers, two police officers, three musicians,
        a pair of nuns, several dancers, a crowd of fans, two chefs, three old ladies, some players, five cyclists""",
    "animals": """two dogs|a pair of dogs, three cats, several birds, some cows, four sheep, a herd of elephants,
        two horses|a pair of horses, five ducks, a flock of geese, three goats, some pigs, two zebras,
        several monkeys, a few rabbits, three wolves, six pigeons, two bears, some giraffes, two foxes,
        several deer""",
}  # fmt: skip
NOUNS = {"person": "noun_person", "animal": "noun_animal", "vehicle": "noun_vehicle", "thing": "noun_thing"} | {
    name: f"noun_{name}" for name in ("furniture", "container", "food", "building", "tree")
}


def concepts(kind: str) -> list[list[str]]:
    """The words for each concept of a type; with an article where the type has one."""
    if kind == "being":
        return concepts("person") + concepts("animal")
    told = [[word.strip() for word in each.split("|")] for each in WORDS[NOUNS.get(kind, kind)].split(",")]
    return [[f"a {word}" for word in each] for each in told] if kind in NOUNS else told


def frames() -> list[dict[str, Any]]:
    """All frames."""
    return [json.loads(line) for line in FRAMES.read_text(encoding="utf-8").splitlines()]


def filled(form: str, words: dict[str, str]) -> str:
    """A form with its slots filled, *a* before a vowel made *an*, the first letter large."""
    text = re.sub(r"\{(\w+)\}", lambda slot: words[slot[1]], form)
    text = re.sub(r"\b([Aa]) (?=[aeio])", r"\1n ", re.sub(r"\b[Aa] (?=(?:a few|a dozen|a pair)\b)", "", text))
    return text[0].upper() + text[1:]


def pictures(frame: dict[str, Any], rng: np.random.Generator) -> TwoSided:
    """Two pictures of a frame, each in two of its wordings."""
    chosen: dict[str, list[str]] = {}
    for slot, kind in frame["slots"].items():
        every = [c for c in concepts(kind) if c not in chosen.values()]
        chosen[slot] = every[int(rng.integers(len(every)))]
    one, two = frame["swap"]
    other = chosen | {one: chosen[two], two: chosen[one]}
    asked, asked2, told = (frame["forms"][int(i)] for i in (*rng.integers(6, size=2), rng.integers(6)))
    while asked == told or asked2 == told:
        told = frame["forms"][int(rng.integers(6))]

    def words(which: dict[str, list[str]], same: bool) -> dict[str, str]:
        return {s: c[0 if same else int(rng.integers(len(c)))] for s, c in which.items()}

    docs = {id(c): c[int(rng.integers(len(c)))] for c in chosen.values()}
    passage, changed = (filled(told, {s: docs[id(c)] for s, c in which.items()}) for which in (chosen, other))
    questions = [
        filled(form, words(which, bool(rng.random() < 0.5))) for form, which in ((asked, chosen), (asked2, other))
    ]
    return TwoSided("asked-swap", "near-miss", questions[0], passage, questions[1], changed, (), "asked")


def drawn(times: int, seed: int) -> Iterator[TwoSided]:
    """Pictures of every frame, so many of each."""
    rng = np.random.default_rng([seed, 7])
    for frame in frames():
        for _ in range(times):
            yield pictures(frame, rng)
