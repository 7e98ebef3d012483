import gzip
import zlib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import pairwise

import brotli
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from adce_assets.errors import DamagedError, TooLargeError
from adce_assets.fetch.body import CHUNK, read, unfold

LARGE = 1 << 30
FOLD: Mapping[str, Callable[[bytes], bytes]] = {
    "": bytes,
    "identity": bytes,
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "br": partial(brotli.compress, quality=5),
    "zstd": zstandard.compress,
}
SQUEEZED = [name for name in FOLD if name not in {"", "identity"}]
SAMPLE = b'{"rows": [' + b",".join(str(number * 7919).encode() for number in range(5000)) + b"]}"

FOLDED = {name: fold(SAMPLE) for name, fold in FOLD.items()}


def split(data: bytes, at: list[int]) -> Iterator[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in at), len(data)]
    return (data[start:end] for start, end in pairwise(edges))


@given(st.binary(max_size=3000), st.lists(st.integers(0, 10_000), max_size=8), st.sampled_from([*FOLD]))
@settings(max_examples=150)
def test_a_body_is_the_same_however_it_arrives(content: bytes, at: list[int], encoding: str):
    assert read(split(FOLD[encoding](content), at), encoding, LARGE, "") == content


@given(st.integers(0, 10_000_000), st.sampled_from(SQUEEZED))
@settings(max_examples=150)
def test_a_squeezed_body_that_was_cut_off_is_never_a_short_one(at: int, encoding: str):
    whole = FOLDED[encoding]
    with pytest.raises(DamagedError):
        read([whole[: at % len(whole)]], encoding, LARGE, "")


@pytest.mark.parametrize("encoding", SQUEEZED)
def test_what_follows_a_squeezed_body_is_damage(encoding: str):
    with pytest.raises(DamagedError):
        read([FOLD[encoding](SAMPLE) + b"and more"], encoding, LARGE, "")


@pytest.mark.parametrize("encoding", SQUEEZED)
def test_an_empty_body_is_no_squeezed_one(encoding: str):
    with pytest.raises(DamagedError):
        read([], encoding, LARGE, "")


@pytest.mark.parametrize("encoding", [*FOLD])
def test_a_body_may_be_as_large_as_allowed_and_no_larger(encoding: str):
    folded = FOLDED[encoding]
    assert read([folded], encoding, len(SAMPLE), "") == SAMPLE
    with pytest.raises(TooLargeError):
        read([folded], encoding, len(SAMPLE) - 1, "")


@pytest.mark.parametrize("encoding", SQUEEZED)
def test_no_piece_is_large(encoding: str):
    """One small chunk may hold the whole bomb: it is handed on in pieces all the same."""
    sizes = []
    pieces = unfold([FOLD[encoding](bytes(64 << 20))], encoding, LARGE, "")
    with pytest.raises(TooLargeError):
        sizes.extend(len(piece) for piece in pieces)
    assert max(sizes) <= 64 * CHUNK


@pytest.mark.parametrize("encoding", SQUEEZED)
def test_a_small_dull_body_is_no_bomb(encoding: str):
    assert len(read([FOLD[encoding](bytes(10 << 20))], encoding, LARGE, "")) == 10 << 20


def test_a_zstd_window_beyond_what_http_allows_is_refused():
    """The window is memory that the sender makes us set aside: 1 GiB for a body of a few bytes."""
    wide = zstandard.ZstdCompressionParameters(window_log=27, strategy=1, enable_ldm=False)
    press = zstandard.ZstdCompressor(compression_params=wide).compressobj()
    folded = press.compress(SAMPLE) + press.flush()
    with pytest.raises(DamagedError, match=r"memory|window"):
        read([folded], "zstd", LARGE, "")


@pytest.mark.parametrize("name", ["GZIP", " gzip ", "Br", "ZSTD"])
def test_names_of_encodings_are_read_as_http_says(name: str):
    folded = FOLD[name.strip().lower()](SAMPLE)
    assert read([folded], name, LARGE, "") == SAMPLE


def test_raw_deflate_is_not_taken_for_gzip():
    with pytest.raises(DamagedError):
        read([zlib.compress(SAMPLE)], "gzip", LARGE, "")
