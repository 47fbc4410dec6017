#pragma once

#include <cstdint>

#include "spindle/base/bytes.hpp"

namespace spindle {

/// XXH3, 64 bits (xxHash's stable default variant, seed 0): finds torn and flipped bytes; no defence against forgery.
std::uint64_t checksum(BytesView bytes);

/// The same with a seed: equal bytes in two places have different checksums there.
std::uint64_t checksum(BytesView bytes, std::uint64_t seed);

/// Checksum of two pieces as if they were one.
std::uint64_t checksum(BytesView first, BytesView second);

}  // namespace spindle
