"""What the engine draws: prompts, seeds, batches, init images, masks, adapters."""

import itertools

import numpy as np
import pytest
import torch
from diffusers import EulerDiscreteScheduler
from PIL import Image

from inference.engine import Engine, OutOfMemoryError, Sample
from inference.loading import build_engine
from inference.prompts import PromptEncoder
from inference.requests import CONTRACT, Prompt
from inference.settings import Settings
from inference.tests.support import file_of, picture, pixels
from inference.tiny import build_pipeline

LONG = "a puppy on a sledge in the snow, " * 12
# Thread counts and versions of libraries move a pixel by one level of 255; sizes of batches do as well.
ONE_LEVEL = 1


def differences(first, second):
    return np.abs(first - second).max()


# Prompts.


def test_one_prompt_is_encoded_as_diffusers_does(pipeline):
    text, other = "a puppy on a sledge", "snow"
    with torch.inference_mode():
        shown, hidden = PromptEncoder(pipeline).encode([Prompt(text), Prompt(other, -1.0)], 1)
        theirs = pipeline.encode_prompt(text, negative_prompt=other, do_classifier_free_guidance=True)
    ours = (shown.tokens[None], hidden.tokens[None], shown.pooled[None], hidden.pooled[None])
    for mine, expected in zip(ours, theirs, strict=True):
        assert torch.allclose(mine, expected, atol=1e-5)


def test_without_a_negative_prompt_its_embedding_is_zero(pipeline):
    with torch.inference_mode():
        _, nothing = PromptEncoder(pipeline).encode([Prompt("a puppy")], 1)
        _, blank = PromptEncoder(pipeline).encode([Prompt("a puppy"), Prompt("", -1.0)], 1)
    assert not nothing.tokens.any()
    assert not nothing.pooled.any()
    assert blank.tokens.any()


@pytest.mark.parametrize(("weights", "divisor"), [((2.0, 1.0), 3.0), ((0.5, 0.25), 1.0), ((1.0, 1.0), 2.0)])
@pytest.mark.parametrize("sign", [1, -1])
def test_prompts_are_added_up_by_weight(pipeline, weights, divisor, sign):
    encoder, texts = PromptEncoder(pipeline), ("a puppy", "a sledge")
    side = 0 if sign > 0 else 1
    shown = [] if sign > 0 else [Prompt("anything")]
    with torch.inference_mode():
        alone = [encoder.encode([*shown, Prompt(text, sign)], 1)[side] for text in texts]
        weighted = [Prompt(text, sign * weight) for text, weight in zip(texts, weights, strict=True)]
        both = encoder.encode([*shown, *weighted], 1)[side]
    expected = sum(weight * one.tokens for weight, one in zip(weights, alone, strict=True)) / divisor
    assert torch.allclose(both.tokens, expected, atol=1e-6)
    expected = sum(weight * one.pooled for weight, one in zip(weights, alone, strict=True)) / divisor
    assert torch.allclose(both.pooled, expected, atol=1e-6)


def test_a_long_prompt_is_read_to_its_end(pipeline):
    encoder = PromptEncoder(pipeline)
    count = encoder.chunks([Prompt(LONG)])
    assert count > 2
    with torch.inference_mode():
        first, hidden = encoder.encode([Prompt(LONG)], count)
        other, _ = encoder.encode([Prompt(LONG.strip()[:-1] + "!")], count)
    assert first.tokens.shape == hidden.tokens.shape == (count * 77, 32)
    changed = (first.tokens - other.tokens).abs().amax(dim=1) > 1e-6
    assert changed[(count - 1) * 77 :].any()
    assert not changed[: (count - 1) * 77].any()


def test_a_short_prompt_beside_a_long_one_is_filled_up(draw):
    both = draw(text_prompts=[{"text": LONG}, {"text": "red", "weight": -1}])[0]
    assert differences(both, draw(text_prompts=[{"text": LONG}])[0]) > ONE_LEVEL


# The loop as a whole.


def test_euler_draws_what_diffusers_draws(make, engine):
    request = make(
        sampler="K_EULER", steps=20, cfg_scale=8, text_prompts=[{"text": "a puppy"}, {"text": "red", "weight": -1}]
    )
    plain = build_pipeline()
    plain.scheduler = EulerDiscreteScheduler.from_config(plain.scheduler.config, timestep_spacing="trailing")
    plain.set_progress_bar_config(disable=True)
    noise = torch.randn((1, 4, 16, 16), generator=torch.Generator().manual_seed(7))
    theirs = plain(
        "a puppy", negative_prompt="red", width=128, height=128, num_inference_steps=20, guidance_scale=8, latents=noise
    ).images
    ours = engine.draw([Sample(request, 7)]).images
    assert differences(pixels(ours)[0], pixels(theirs)[0]) <= ONE_LEVEL


@pytest.mark.parametrize("sampler", CONTRACT["samplers"])
def test_the_same_seed_is_the_same_image_and_another_seed_another(draw, sampler):
    first = draw(sampler=sampler, seed=11)[0]
    assert differences(first, draw(sampler=sampler, seed=11)[0]) == 0
    assert differences(first, draw(sampler=sampler, seed=12)[0]) > ONE_LEVEL


@pytest.mark.parametrize("sampler", CONTRACT["samplers"])
def test_the_position_in_a_batch_does_not_matter(draw, sampler):
    alone = draw(sampler=sampler, seed=13)[0]
    for index in (0, 2):
        batch = draw(sampler=sampler, seed=13 - index, samples=3)
        assert differences(batch[index], alone) <= ONE_LEVEL


def test_requests_of_one_key_do_not_mix(make, engine):
    requests = [
        make(text_prompts=[{"text": "a puppy"}], cfg_scale=5, seed=21),
        make(text_prompts=[{"text": "snow"}, {"text": "red", "weight": -2}], cfg_scale=9, seed=22),
    ]
    assert engine.key(requests[0]) == engine.key(requests[1])
    samples = [Sample(request, request.seeds[0]) for request in requests]
    together = pixels(engine.draw(samples).images)
    for one, sample in zip(together, samples, strict=True):
        assert differences(one, pixels(engine.draw([sample]).images)[0]) <= ONE_LEVEL
    assert differences(*together) > ONE_LEVEL


@pytest.mark.parametrize(
    "fields",
    [
        {"width": 192},
        {"steps": 11},
        {"sampler": "K_HEUN"},
        {"cfg_scale": 1},
        {"text_prompts": [{"text": LONG}]},
        {"loras": [{"name": "tiny-style"}]},
        {"control_image": file_of(picture()), "control_type": "canny"},
        {"init_image": file_of(picture())},
        {"init_image": file_of(picture()), "image_strength": 0.5},
    ],
    ids=str,
)
def test_requests_that_cannot_share_a_batch_have_other_keys(make, engine, fields):
    assert engine.key(make(**fields)) != engine.key(make())


@pytest.mark.parametrize("size", [(128, 192), (256, 128)])
def test_an_image_has_the_size_of_its_request(draw, size):
    assert draw(width=size[0], height=size[1])[0].shape == (size[1], size[0], 3)


def test_guidance_of_one_is_the_prompt_alone(draw):
    prompts = [{"text": "a puppy"}]
    plain = draw(text_prompts=prompts, cfg_scale=1)[0]
    assert differences(plain, draw(text_prompts=[*prompts, {"text": "red", "weight": -1}], cfg_scale=1)[0]) == 0
    # The two passes add up to the same, as far as 32 bits go.
    assert differences(plain, draw(text_prompts=prompts, cfg_scale=1.000001)[0]) <= ONE_LEVEL
    assert differences(plain, draw(text_prompts=prompts, cfg_scale=7)[0]) > ONE_LEVEL


def test_a_style_changes_the_image(draw):
    assert differences(draw()[0], draw(style_preset="anime")[0]) > ONE_LEVEL


# Init images.


def test_an_init_image_that_stays_altogether_is_the_result(draw):
    init = picture()
    assert differences(draw(init_image=file_of(init), image_strength=1.0)[0], np.array(init).astype(int)) == 0


def test_the_less_of_the_init_image_stays_the_farther_the_result_is_from_it(draw):
    init = file_of(picture())
    # The tiny decoder is random, so the comparison is with its version of the init image: that after one step of 100.
    kept = draw(init_image=init, image_strength=0.99, steps=100)[0]
    distances = [
        np.abs(draw(init_image=init, image_strength=strength, steps=100)[0] - kept).mean()
        for strength in (0.97, 0.8, 0.5, 0.0)
    ]
    assert distances == sorted(distances)
    assert distances[-1] > 1.5 * distances[0] > 0


def test_no_strength_at_all_ignores_the_init_image(draw):
    first = draw(init_image=file_of(picture(seed=1)), image_strength=0.0)[0]
    assert differences(first, draw(init_image=file_of(picture(seed=2)), image_strength=0.0)[0]) == 0
    assert differences(first, draw()[0]) == 0


@pytest.mark.parametrize("sampler", CONTRACT["samplers"])
def test_both_modes_say_the_same(draw, sampler):
    init = file_of(picture())
    first = draw(init_image=init, sampler=sampler, image_strength=0.4)[0]
    second = draw(init_image=init, sampler=sampler, init_image_mode="STEP_SCHEDULE", step_schedule_start=0.6)[0]
    assert differences(first, second) == 0
    ended = draw(
        init_image=init,
        sampler=sampler,
        init_image_mode="STEP_SCHEDULE",
        step_schedule_start=0.6,
        step_schedule_end=0.3,
    )[0]
    assert differences(first, ended) > ONE_LEVEL


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (1.0, 0.0, 100),
        (0.65, 0.0, 65),
        (0.29, 0.0, 29),
        (0.001, 0.0, 1),
        (0.0, 0.0, 0),
        (0.6, 0.01, 59),
        (0.6, 0.599, 1),
    ],
)
def test_a_share_of_the_diffusion_is_so_many_steps(engine, make, start, end, expected):
    fields = {"init_image": file_of(picture()), "init_image_mode": "STEP_SCHEDULE", "step_schedule_start": start}
    if end:
        fields["step_schedule_end"] = end
    levels = engine.visited(make(**fields, steps=100))
    assert max(0, len(levels) - 1) == expected
    assert not levels or levels[-1] == 0


# Masks.

MASK_SOURCES = ("MASK_IMAGE_WHITE", "MASK_IMAGE_BLACK", "INIT_IMAGE_ALPHA")
MODES = ({}, {"image_strength": 0.4}, {"init_image_mode": "STEP_SCHEDULE", "step_schedule_start": 0.7})


def masked(source, init, hole):
    """The fields of a request that draws `hole`, a box, anew."""
    grey = np.zeros((init.height, init.width), np.uint8)
    grey[hole[1] : hole[3], hole[0] : hole[2]] = 255
    if source == "INIT_IMAGE_ALPHA":
        clear = init.copy()
        clear.putalpha(Image.fromarray(255 - grey))
        return {"init_image": file_of(clear), "mask_source": source}, grey
    mask = grey if source == "MASK_IMAGE_WHITE" else 255 - grey
    return {"init_image": file_of(init), "mask_source": source, "mask_image": file_of(Image.fromarray(mask))}, grey


@pytest.mark.parametrize("size", [(128, 128), (192, 128)])
@pytest.mark.parametrize("mode", MODES, ids=["default", "strength", "schedule"])
@pytest.mark.parametrize("source", MASK_SOURCES)
@pytest.mark.parametrize("sampler", CONTRACT["samplers"])
def test_only_masked_pixels_change(draw, sampler, source, mode, size):
    init = picture(*size)
    fields, grey = masked(source, init, (30, 41, 77, 90))
    found = draw(**fields, **mode, sampler=sampler)[0]
    before = np.array(init).astype(int)
    assert differences(found[grey == 0], before[grey == 0]) == 0
    assert np.abs(found - before)[grey > 0].mean() > 5


def test_the_three_sources_say_the_same(draw):
    drawn = [draw(**masked(source, picture(), (32, 32, 96, 96))[0])[0] for source in MASK_SOURCES]
    for first, second in itertools.pairwise(drawn):
        assert differences(first, second) == 0


def test_half_a_mask_is_half_of_each(draw):
    init = picture()
    fields = {"init_image": file_of(init), "mask_source": "MASK_IMAGE_WHITE"}
    whole = draw(**fields, mask_image=file_of(Image.new("L", init.size, 255)))[0]
    half = draw(**fields, mask_image=file_of(Image.new("L", init.size, 128)))[0]
    expected = whole * (128 / 255) + np.array(init) * (127 / 255)
    assert np.abs(half - expected).max() <= 1


def test_what_is_under_a_mask_does_not_show_in_what_is_drawn_from_noise(draw):
    hole = (32, 32, 96, 96)
    first, second = picture(), picture()
    second.paste((255, 0, 0), hole)
    drawn = [draw(**masked("MASK_IMAGE_WHITE", init, hole)[0])[0] for init in (first, second)]
    assert differences(*drawn) == 0


# Adapters.


def test_an_adapter_counts_by_weight_and_for_its_request_alone(draw):
    plain = draw()[0]
    full, half = (draw(loras=[{"name": "tiny-style", "weight": weight}])[0] for weight in (1.0, 0.5))
    assert differences(plain, full) > ONE_LEVEL
    assert differences(plain, half) > ONE_LEVEL
    assert differences(half, full) > ONE_LEVEL
    assert differences(plain, draw(loras=[{"name": "tiny-style", "weight": 0}])[0]) <= ONE_LEVEL
    assert differences(plain, draw()[0]) == 0


def test_a_control_image_counts_by_strength(draw):
    plain = draw()[0]
    fields = {"control_image": file_of(picture()), "control_type": "canny"}
    full = draw(**fields)[0]
    assert differences(plain, full) > ONE_LEVEL
    assert differences(full, draw(**fields, control_strength=0.5)[0]) > ONE_LEVEL
    assert differences(full, draw(**fields | {"control_image": file_of(picture(seed=2))})[0]) > ONE_LEVEL
    assert differences(plain, draw(**fields, control_strength=0)[0]) <= ONE_LEVEL


# Types, memory, and what is no number.


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_networks_in_16_bits_draw_nearly_the_same(release, make, draw, dtype):
    engine = build_engine(release, Settings(device="cpu", dtype=dtype))
    request = make(sampler="K_EULER")
    found = pixels(engine.draw([Sample(request, 7)]).images)[0]
    expected = draw(sampler="K_EULER")[0]
    assert 0 < np.abs(found - expected).mean() < 12


class Scarce:
    """A network that runs out of memory while more than `most` latents go through it together."""

    def __init__(self, network, most):
        self._network, self._most = network, most

    def __getattr__(self, name):
        return getattr(self._network, name)

    def __call__(self, inputs, *arguments, **named):
        if len(inputs) > self._most:
            raise torch.OutOfMemoryError("injected")
        return self._network(inputs, *arguments, **named)


def engine_with_memory_for(count):
    engine = Engine(build_pipeline(), torch.device("cpu"))
    engine._unet = Scarce(engine._unet, count)
    return engine


def test_when_memory_runs_out_the_batch_is_drawn_once_more_in_slices(make, caplog):
    request = make(samples=3)
    samples = [Sample(request, seed) for seed in request.seeds]
    expected = Engine(build_pipeline(), torch.device("cpu")).draw(samples)
    found = engine_with_memory_for(1).draw(samples)
    assert (expected.was_sliced, found.was_sliced) == (False, True)
    for first, second in zip(pixels(expected.images), pixels(found.images), strict=True):
        assert differences(first, second) <= ONE_LEVEL
    assert "out of memory" in caplog.text


def test_when_memory_runs_out_again_that_is_an_error(make):
    with pytest.raises(OutOfMemoryError):
        engine_with_memory_for(0).draw([Sample(make(), 7)])


def test_what_is_no_number_is_no_image(make):
    engine = Engine(build_pipeline(), torch.device("cpu"))
    torch.nn.init.constant_(engine._unet.conv_out.bias, float("nan"))
    assert engine.draw([Sample(make(), 7)]).images == (None,)


def test_weights_that_predict_velocity_are_read_as_such(make):
    pipelines = [build_pipeline(), build_pipeline()]
    pipelines[1].scheduler.register_to_config(prediction_type="v_prediction")
    first, second = (Engine(one, torch.device("cpu")).draw([Sample(make(), 7)]) for one in pipelines)
    assert differences(*pixels([first.images[0], second.images[0]])) > ONE_LEVEL
