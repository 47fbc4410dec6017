#include "spindle/event/key_hash.hpp"

#include "spindle/base/checksum.hpp"

namespace spindle {

std::uint32_t key_hash(std::string_view key) { return static_cast<std::uint32_t>(checksum(key)); }

}  // namespace spindle
