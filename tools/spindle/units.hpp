#pragma once

#include <cstdint>
#include <string>

namespace spindle::cli {

// Figures as people read them.

/// "3.2 MiB": at a glance.
std::string size_text(std::uint64_t bytes);
/// "850 ms", "42 s", "3 h": how long something waits, at a glance.
std::string age_text(std::uint64_t ms);

/// "1 GiB", "1500 B": in the largest unit that is exact.
std::string exact_size(std::uint64_t bytes);
/// "250 ms", "90 s", "2 min", "1 h", "7 d": in the largest unit that is exact.
std::string exact_time(std::uint64_t ms);

}  // namespace spindle::cli
