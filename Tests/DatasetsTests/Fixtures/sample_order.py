"""Prints the golden values of SampleOrderTests: the sample order written a second time, straight from its description."""

MASK = 0xFFFFFFFF


def philox(key, counter):
    k0, k1 = key & MASK, key >> 32
    x, y, z, w = counter
    for _ in range(10):
        p0, p1 = x * 0xD2511F53, z * 0xCD9E8D57
        x, y, z, w = (p1 >> 32) ^ y ^ k0, p1 & MASK, (p0 >> 32) ^ w ^ k1, p0 & MASK
        k0, k1 = (k0 + 0x9E3779B9) & MASK, (k1 + 0xBB67AE85) & MASK
    return x, y, z, w


def order(seed, count, position):
    epoch, value = divmod(position, count)
    half = 1
    while 4**half < count:
        half += 1
    while True:
        left, right = value >> half, value & (2**half - 1)
        for number in range(8):
            # Sample order is purpose 2; the index's upper bits, the round, share a word with it.
            scrambled = philox(seed, (right, 0, epoch, 2 << 24 | number))[0] & (2**half - 1)
            left, right = right, left ^ scrambled
        value = left << half | right
        if value < count:
            return value


for seed, count, start in [(42, 60_000, 0), (42, 60_000, 180_000), (2**64 - 1, 5, 10)]:
    print(seed, count, start, [order(seed, count, start + place) for place in range(4)])
