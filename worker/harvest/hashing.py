"""Seeded hashes that decide every sample, so that samples merge and do not depend on order.

The mixing function is the finaliser of SplitMix64 (Steele, Lea and Flood 2014, "Fast splittable
pseudorandom number generators"). It is a bijection of 64 bits, so under one key no two inputs tie.
"""

import numpy as np

from worker.harvest.compiled import compiled, inlined

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


@inlined
def mix(bits: np.uint64) -> np.uint64:
    """SplitMix64's finaliser."""
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


@inlined
def keyed(key: np.uint64, number: np.int64) -> np.uint64:
    """Hash of one number under a key; different numbers never tie under the same key."""
    return mix(key + np.uint64(number) * _GOLDEN)


def stream_key(seed: int, stream: int) -> np.uint64:
    """Key of one of the independent uses of a seed."""
    return np.uint64(_stream_key(seed, stream))


@compiled
def _stream_key(seed, stream):
    return keyed(keyed(np.uint64(0), seed), stream)


@compiled
def hash_all(key: np.uint64, numbers: np.ndarray) -> np.ndarray:
    """`keyed` of each number of an int64 array."""
    hashes = np.empty(len(numbers), np.uint64)
    for i in range(len(numbers)):
        hashes[i] = keyed(key, numbers[i])
    return hashes


SAMPLE_STREAM = 1
POOL_STREAM = 2
COACTIVATION_STREAM = 3
