"""Randomness: the published answers of Threefry, JAX's own, and what a draw depends on."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from chainrule.core.random import PURPOSES, generator, threefry2x32, uniform_bits

ONES = 0xFFFFFFFF

# Known answers of threefry2x32 with 20 rounds: key, counter, result. From the file kat_vectors that comes with
# Random123 (D. E. Shaw Research): all zeros, all ones, and the digits of pi as counter, then key.
KNOWN_ANSWERS = [
    ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
    ((ONES, ONES), (ONES, ONES), (0x1CB996FC, 0xBB002BE7)),
    ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0)),
]


def words(pair):
    return tuple(np.array([word], np.uint32) for word in pair)


@pytest.mark.parametrize("xp", [np, jnp], ids=["numpy", "jax"])
@pytest.mark.parametrize("key, counter, answer", KNOWN_ANSWERS)
def test_known_answers(key, counter, answer, xp):
    result = threefry2x32(tuple(map(xp.asarray, words(key))), tuple(map(xp.asarray, words(counter))), xp)
    assert [int(word[0]) for word in result] == list(answer)
    assert all(word.dtype == np.uint32 for word in result)


def test_jax_has_the_same_threefry():
    from jax.extend.random import threefry_2x32

    rng = np.random.default_rng(0)
    key, counter = rng.integers(0, 2**32, (2, 2), dtype=np.uint32)
    rest = rng.integers(0, 2**32, (2, 50), dtype=np.uint32)
    theirs = threefry_2x32(jnp.asarray(key), jnp.asarray(np.concatenate([counter, rest.ravel()])))
    # JAX halves a flat list of counters: the first half contains the first words, the second half the second words.
    first, second = np.concatenate([counter, rest.ravel()]).reshape(2, -1)
    ours = threefry2x32((key[:1], key[1:]), (first, second), np)
    assert_array_equal(np.concatenate(ours), theirs)


def test_of_a_step_the_lower_32_bits_count():
    """A model may have been trained for more steps than a counter's word can count."""
    for step in (2**32 + 11, np.int64(2**40 + 11)):
        assert_array_equal(uniform_bits(7, 3, step, (3, 5), np), uniform_bits(7, 3, 11, (3, 5), np))


def test_the_layout_of_the_words():
    """key = (seed, stream), counter = (element // 2, step), row-major, two to a block."""
    bits = uniform_bits(7, 3, 11, (3, 5), np)
    assert (bits.shape, bits.dtype) == ((3, 5), np.uint32)
    flat = bits.ravel()
    for element in range(15):
        block = threefry2x32(words((7, 3)), words((element // 2, 11)), np)
        assert flat[element] == block[element % 2][0]


@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (3, 5), (4, 4)])
@pytest.mark.parametrize("seed, stream, step", [(0, 0, 0), (1, 2, 3), (ONES, ONES, ONES)])
def test_numpy_and_jax_draw_the_same_bits(shape, seed, stream, step):
    draw = jax.jit(lambda step: uniform_bits(seed, stream, step, shape, jnp))
    assert_array_equal(draw(np.uint32(step)), uniform_bits(seed, stream, step, shape, np))


def test_rows_before_do_not_depend_on_rows_after():
    """A longer batch begins with the same bits: a block's words depend on their place alone."""
    assert_array_equal(uniform_bits(1, 2, 3, (9, 3), np)[:4], uniform_bits(1, 2, 3, (4, 3), np))


def test_bits_depend_on_each_of_seed_stream_and_step():
    shape = (20, 20)
    draws = [uniform_bits(*key, shape, np) for key in ((0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1))]
    assert_array_equal(draws[0], uniform_bits(0, 0, 0, shape, np))
    for i, one in enumerate(draws):
        for other in draws[:i]:
            assert not (one == other).any()  # 400 words: by chance one in ten million


def test_bits_are_uniform_and_independent():
    bits = uniform_bits(5, 0, 0, (1000, 100), np)
    u = bits / 2**32
    assert abs(u.mean() - 1 / 2) < 5 * np.sqrt(1 / 12 / u.size)
    assert abs(u.var() - 1 / 12) < 5 * np.sqrt(1 / 180 / u.size)
    set_bits = (bits.ravel()[:, None] >> np.arange(32, dtype=np.uint32)) & 1
    assert np.abs(set_bits.mean(0) - 1 / 2).max() < 5 * np.sqrt(1 / 4 / u.size)
    ahead = uniform_bits(5, 0, 1, (1000, 100), np) / 2**32
    for other in (ahead, np.roll(u, 1), uniform_bits(5, 1, 0, (1000, 100), np) / 2**32):
        assert abs(np.corrcoef(u.ravel(), other.ravel())[0, 1]) < 5 / np.sqrt(u.size)


def test_no_warning_when_words_wrap_around():
    with np.errstate(all="raise"):
        uniform_bits(ONES, ONES, ONES, (3, 3), np)


def test_generators_are_functions_of_seed_purpose_and_index():
    keys = [(seed, purpose, index) for seed in (0, 1, ONES) for purpose in PURPOSES for index in (0, 1, 2)]
    draws = [tuple(generator(*key).integers(0, 2**63, 2)) for key in keys]
    assert len(set(draws)) == len(keys)
    assert draws == [tuple(generator(*key).integers(0, 2**63, 2)) for key in keys]


def test_a_generator_keeps_its_bits_for_good():
    """Initial weights and shuffles of stored runs come from these: a change here changes everyone's results."""
    shuffle, weights = generator(0, "shuffle", 0), generator(42, "weights", 1)
    assert shuffle.bit_generator.random_raw(2).tolist() == [16244854962632729399, 16434189234423530945]
    assert weights.bit_generator.random_raw(2).tolist() == [13707682694591648298, 11925162402236339234]
