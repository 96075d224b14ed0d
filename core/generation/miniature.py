"""What the bundled miniature painter can paint: the phrasebook's words, but for those that it draws badly."""

from core.prompting.vocabulary import phrasebook_words

STAND_INS = frozenset({
    "air conditioner", "animal", "audience", "bagpipes", "blender", "buzzer", "cannon", "cash register", "children",
    "chime", "choir", "claw", "computer keyboard", "couple", "crowd", "curve", "cymbal", "dentist", "didgeridoo",
    "disc jockey", "drum machine", "eater", "effects pedal", "electronic tuner", "engine", "fan", "file",
    "fire alarm", "glockenspiel", "gong", "hair dryer", "harmonica", "hi-hat cymbal", "ice cream van", "jackhammer",
    "keyboard", "lawn mower", "light", "lighthouse", "liquid", "man", "microwave oven", "monk", "music sampler",
    "orchestra", "person", "pots", "pulley", "race car", "rapper", "rattle", "sewing machine", "shovel",
    "sine wave", "singing bowl", "smoke detector", "spoon", "sports car", "spring", "steam", "steel drum",
    "storyteller", "streak of wind", "submarine", "table", "tambourine", "theremin", "tubular bells", "tuning fork",
    "typewriter", "vacuum cleaner", "vibraphone", "viola", "war film scene", "water pump", "whip", "whistle",
    "whoopee cushion", "wind chime", "wood block", "xylophone", "yodeler", "zipper", "zither",
})  # fmt: skip
"""Nouns for which something else is painted, or a blob: a cannon is a bomb, a man is a megaphone. One picture of each
of the phrasebook's 284 nouns was looked at, with seed 7."""

MINIATURE_WORDS = phrasebook_words() - STAND_INS
