"""Which pictures are learnt from together: of one size, and never one twice while another would do."""

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.finetuning.data.buckets import epoch_order, make_buckets, nearest_bucket, shared_buckets

BUCKETS = make_buckets(1024, 64)


def sizes_of(count: int, seed: int) -> list[tuple[int, int]]:
    draw = random.Random(seed)
    return [(draw.randrange(600, 2400), draw.randrange(600, 2400)) for _ in range(count)]


class TestShapes:
    @given(st.integers(1, 40), st.integers(1, 8), st.integers(0, 20))
    def test_each_shape_that_is_used_has_a_batch_of_pictures(self, count: int, batch: int, seed: int) -> None:
        sizes = sizes_of(count, seed)
        used = shared_buckets(sizes, BUCKETS, batch)
        counts = Counter(nearest_bucket(*size, used) for size in sizes)
        assert set(counts) == set(used)
        assert min(counts.values()) >= batch or len(used) == 1

    def test_twenty_photos_of_twenty_sizes_fill_their_batches(self) -> None:
        """They were batches of four copies of one photo."""
        sizes = [(800 + 40 * number, 1600 - 40 * number) for number in range(20)]
        used = shared_buckets(sizes, BUCKETS, 4)
        groups = [[index for index, size in enumerate(sizes) if nearest_bucket(*size, used) == one] for one in used]
        batches = epoch_order(groups, range(20), 4, seed=0)
        assert all(len(set(batch)) == 4 for batch in batches)
        assert len(used) > 1, "portraits and landscapes stay what they are"

    def test_shapes_with_enough_pictures_stay(self) -> None:
        sizes = [(1024, 1024)] * 4 + [(1600, 1000)] * 4
        assert len(shared_buckets(sizes, BUCKETS, 4)) == 2
        assert len(shared_buckets(sizes, BUCKETS, 5)) == 1


class TestEpoch:
    @given(st.lists(st.integers(1, 12), min_size=1, max_size=4), st.integers(1, 6), st.integers(0, 50))
    def test_every_image_is_seen_and_sizes_do_not_mix(self, counts: list[int], size: int, seed: int) -> None:
        starts = [sum(counts[:number]) for number in range(len(counts))]
        groups = [list(range(start, start + count)) for start, count in zip(starts, counts, strict=True)]
        batches = epoch_order(groups, range(sum(counts)), size, seed)
        seen = Counter(index for batch in batches for index in batch)
        assert set(seen) == set(range(sum(counts)))
        assert all(len(batch) == size for batch in batches)
        for batch in batches:
            (group,) = (group for group in groups if set(batch) <= set(group))
            assert len(set(batch)) == min(size, len(group)), "an image twice while another was unused"
        assert len(batches) == sum(-(-count // size) for count in counts)

    @given(st.integers(4, 20), st.integers(1, 5), st.integers(1, 4), st.integers(0, 50))
    def test_copies_of_a_picture_do_not_meet_in_a_batch(self, own: int, copies: int, size: int, seed: int) -> None:
        """The base's own pictures come several times an epoch."""
        pictures = [f"own {number}" for number in range(own)] + [f"prior {number % 4}" for number in range(4 * copies)]
        batches = epoch_order([range(len(pictures))], pictures, size, seed)
        assert all(len({pictures[index] for index in batch}) == size for batch in batches)

    def test_the_seed_decides(self) -> None:
        groups = [[0, 1, 2, 3, 4], [5, 6]]
        assert epoch_order(groups, range(7), 2, 3) == epoch_order(groups, range(7), 2, 3)
        assert epoch_order(groups, range(7), 2, 3) != epoch_order(groups, range(7), 2, 4)


@pytest.mark.parametrize("size", [1, 3])
def test_one_picture_alone_fills_its_batch(size: int) -> None:
    assert epoch_order([[0]], ["a"], size, 0) == [(0,) * size]
