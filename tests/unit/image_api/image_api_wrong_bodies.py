"""Bodies that must be refused: what is wrong, the body, the error's name, and words its message must have."""

from __future__ import annotations

from typing import NamedTuple

_PROMPT = '"text_prompts":[{"text":"a puppy"}]'


class WrongBody(NamedTuple):
    what: str
    body: str | None
    name: str
    words: tuple[str, ...]
    # Whether the schema of the OpenAPI document can see it.
    schema_refuses: bool = True


def _with(field: str) -> str:
    return f"{{{_PROMPT},{field}}}"


def _field(what: str, field: str, name: str, *words: str, schema_refuses: bool = True) -> WrongBody:
    return WrongBody(what, _with(field), name, words, schema_refuses)


def _prompts(what: str, prompts: str, *words: str, schema_refuses: bool = True) -> WrongBody:
    return WrongBody(what, f'{{"text_prompts":{prompts}}}', "invalid_prompts", words, schema_refuses)


_SIZE, _STEPS, _SEED = "invalid_height_or_width", "an integer from 10 to 150", "an integer from 0 to 4294967295"

WRONG_BODIES = [
    # Not a JSON object
    WrongBody("no body", None, "bad_request", ("is empty", "text_prompts")),
    WrongBody("empty", "", "bad_request", ("is empty",)),
    WrongBody("blank", " \n\t", "bad_request", ("is empty",)),
    WrongBody("not JSON", "a puppy", "bad_request", ("not JSON", "line 1, column 1")),
    WrongBody("cut short", '{"text_prompts":[', "bad_request", ("not JSON", "column 18")),
    WrongBody("form fields", "text_prompts[0][text]=puppy", "bad_request", ("not JSON",)),
    WrongBody("an array", "[]", "bad_request", ("body is []", "an object with the fields text_prompts")),
    WrongBody("a full array", '[{"text":"a"}]', "bad_request", ("an array of 1 items",)),
    WrongBody("a string", '"a puppy"', "bad_request", ('body is "a puppy"', "an object")),
    WrongBody("null", "null", "bad_request", ("body is null",)),
    WrongBody("a number", "7", "bad_request", ("body is 7",)),
    WrongBody("NaN", _with('"cfg_scale":NaN'), "bad_request", ("NaN is not a JSON number",)),
    WrongBody("Infinity", _with('"cfg_scale":-Infinity'), "bad_request", ("-Infinity is not a JSON number",)),
    WrongBody("nested deeply", "[" * 100_000, "bad_request", ("nested too deeply",)),
    WrongBody("nested in a field", _with(f'"extras":{"[" * 50_000}'), "bad_request", ("nested too deeply",)),
    WrongBody("comma at the end", f"{{{_PROMPT},}}", "bad_request", ("not JSON",)),
    # Fields that nobody knows, or that come twice
    _field("unknown field", '"foo":1', "bad_request", 'Unknown field "foo"', "Known fields: text_prompts, cfg_scale"),
    _field("camel case", '"cfgScale":7', "bad_request", 'Unknown field "cfgScale"', "cfg_scale"),
    _field("image-to-image field", '"init_image":"aGk="', "bad_request", 'Unknown field "init_image"'),
    _field("endpoint of the caller's own", '"endpoint_name":"other"', "bad_request", "Unknown field"),
    _field("half a surrogate as a name", '"\\ud800":1', "bad_request", "Unknown field"),
    _field("unicode name", '"宽":1', "bad_request", 'Unknown field "宽"'),
    _field("twice the same", '"steps":20,"steps":30', "bad_request", '"steps" twice', schema_refuses=False),
    WrongBody(
        "twice inside a prompt",
        '{"text_prompts":[{"text":"a","text":"b"}]}',
        "bad_request",
        ('"text" twice',),
        schema_refuses=False,
    ),
    # Prompts
    WrongBody("no prompts", "{}", "invalid_prompts", ("text_prompts is missing", "1 to 10 objects")),
    _prompts("prompts as text", '"a puppy"', 'text_prompts is "a puppy"', "an array of 1 to 10 objects"),
    _prompts("prompts null", "null", "text_prompts is missing"),
    _prompts("empty list", "[]", "has 0 items", "1 to 10"),
    _prompts("eleven prompts", "[" + ",".join(['{"text":"a"}'] * 11) + "]", "has 11 items", "1 to 10"),
    _prompts("a prompt as text", '["a puppy"]', 'text_prompts[0] is "a puppy"', "text, weight"),
    _prompts("no text", '[{"weight":1}]', "text_prompts[0].text is missing", "1 to 2000 characters"),
    _prompts("text empty", '[{"text":""}]', 'text_prompts[0].text is ""', "1 to 2000 characters"),
    _prompts("text blank", '[{"text":" \\n"}]', "not blank", schema_refuses=False),
    _prompts("text null", '[{"text":null}]', "text_prompts[0].text is missing"),
    _prompts("text a number", '[{"text":"a"},{"text":5}]', "text_prompts[1].text is 5"),
    _prompts("text too long", f'[{{"text":"{"a" * 2001}"}}]', "has 2001 characters", "2000", "Shorten"),
    _prompts("text huge", f'[{{"text":"{"ü" * 1_000_000}"}}]', "has 1000000 characters"),
    _prompts("half a surrogate", '[{"text":"\\ud83d"}]', "not valid Unicode", "UTF-8", schema_refuses=False),
    _prompts("weight true", '[{"text":"a","weight":true}]', "text_prompts[0].weight is true", "a number"),
    _prompts("weight as text", '[{"text":"a","weight":"1"}]', 'weight is "1"'),
    _prompts("unknown in prompt", '[{"text":"a","wieght":1}]', 'Unknown field "wieght" in text_prompts[0]'),
    _prompts("only negative", '[{"text":"a","weight":-1}]', "weight above 0", "-1", schema_refuses=False),
    _prompts("only zero", '[{"text":"a","weight":0}]', "weight above 0", schema_refuses=False),
    WrongBody(
        "weight infinite",
        '{"text_prompts":[{"text":"a","weight":1e999}]}',
        "bad_request",
        ("1e999", "too large"),
        schema_refuses=False,
    ),
    # Sizes
    _field("width off the grid", '"width":1000', _SIZE, "width is 1000", "multiple of 64", "leave it out for 1024"),
    _field("height too small", '"height":64', _SIZE, "height is 64", "from 128 to 8192"),
    _field("height negative", '"height":-64', _SIZE, "height is -64"),
    _field("width huge", '"width":65536', _SIZE, "width is 65536"),
    _field("width as text", '"width":"1024"', _SIZE, 'width is "1024"', "an integer"),
    _field("width a fraction", '"width":1024.5', _SIZE, "width is 1024.5"),
    _field("both sizes", '"width":1,"height":2', _SIZE, "width is 1", "height is 2"),
    _field("unknown size", '"size":"huge"', _SIZE, 'size is "huge"', "fullscreen, widescreen", "1344x768"),
    _field("size in capitals", '"size":"Widescreen"', _SIZE, 'size is "Widescreen"', "widescreen"),
    _field("size with a cross", '"size":"1344×768"', _SIZE, "WIDTHxHEIGHT"),  # noqa: RUF001
    _field("size a number", '"size":1024', _SIZE, "size is 1024", "a text"),
    _field("size off the grid", '"size":"1000x1000"', _SIZE, "multiples of 64", schema_refuses=False),
    _field("size too small", '"size":"100x1024"', _SIZE, "from 128 to 8192", schema_refuses=False),
    _field(
        "size twice", '"size":"square","width":1024', _SIZE, "size is given together with width", schema_refuses=False
    ),
    _field("size of too many pixels", '"size":"2048x2048"', "invalid_pixel_count", "4194304", schema_refuses=False),
    _field(
        "too many pixels",
        '"width":2048,"height":2048',
        "invalid_pixel_count",
        "2048x2048, 4194304 pixels",
        "at most 1048576",
        schema_refuses=False,
    ),
    # Numbers
    _field("few steps", '"steps":9', "bad_request", "steps is 9", _STEPS, "leave it out for 50"),
    _field("many steps", '"steps":151', "bad_request", "steps is 151", _STEPS),
    _field("steps a fraction", '"steps":20.5', "bad_request", "steps is 20.5", _STEPS),
    # To a JSON schema, 20.0 is an integer.
    _field("steps as a float", '"steps":20.0', "bad_request", "steps is 20.0", _STEPS, schema_refuses=False),
    _field("steps true", '"steps":true', "bad_request", "steps is true", _STEPS),
    _field("seed negative", '"seed":-1', "bad_request", "seed is -1", _SEED),
    _field("seed too large", '"seed":4294967296', "bad_request", "seed is 4294967296", _SEED),
    _field("seed astronomic", f'"seed":{"9" * 4000}', "bad_request", "seed is an integer of 13288 bits", _SEED),
    _field("seed unreadable", f'"seed":{"9" * 5000}', "bad_request", "more than 4300 digits", schema_refuses=False),
    _field("cfg_scale too large", '"cfg_scale":35.1', "bad_request", "cfg_scale is 35.1", "a number from 0 to 35"),
    _field("cfg_scale negative", '"cfg_scale":-0.5', "bad_request", "cfg_scale is -0.5"),
    _field("cfg_scale an object", '"cfg_scale":{"a":1}', "bad_request", "cfg_scale is an object of 1 fields"),
    _field("no samples", '"samples":0', "invalid_samples", "samples is 0", "from 1 to 10"),
    _field("many samples", '"samples":11', "invalid_samples", "samples is 11", "from 1 to 10"),
    _field("samples as text", '"samples":"2"', "invalid_samples", 'samples is "2"'),
    # Choices
    _field("unknown sampler", '"sampler":"k_euler"', "bad_request", 'sampler is "k_euler"', "K_EULER", "DDIM"),
    _field("sampler of Open", '"sampler":"EulerEDMSampler"', "bad_request", "EulerEDMSampler", "K_EULER"),
    _field("sampler an array", '"sampler":["DDIM"]', "bad_request", "sampler is an array of 1 items"),
    _field("unknown style", '"style_preset":"Anime"', "bad_request", 'style_preset is "Anime"', "anime"),
    _field("unknown guidance", '"clip_guidance_preset":"FAST"', "bad_request", "FAST_BLUE"),
    # Extras
    _field("extras true", '"extras":true', "bad_request", "extras is true", "use_refiner"),
    _field("unknown extra", '"extras":{"foo":1}', "bad_request", 'Unknown field "foo" in extras'),
    _field("refiner as a number", '"extras":{"use_refiner":1}', "bad_request", "extras.use_refiner is 1", "true or"),
    _field("no refiner steps", '"extras":{"refiner_steps":0}', "bad_request", "extras.refiner_steps is 0", "1 to 150"),
    _field(
        "refiner too strong", '"extras":{"refiner_strength":1.5}', "bad_request", "refiner_strength is 1.5", "0 to 1"
    ),
    _field(
        "refiner off and set",
        '"extras":{"use_refiner":false,"refiner_steps":20}',
        "bad_request",
        "use_refiner false together with refiner_steps",
        schema_refuses=False,
    ),
    # Several at once
    _field("three fields", '"steps":5,"seed":-1,"foo":3', "bad_request", "foo", "steps is 5", "seed is -1"),
    _field("dozens of unknown fields", ",".join(f'"x{i}":1' for i in range(40)), "bad_request", "And 35 more"),
]
