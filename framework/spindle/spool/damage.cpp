#include "spindle/spool/damage.hpp"

namespace spindle::spool {
namespace {

std::string offsets(const Damage& damage) {
  const std::string from = std::to_string(damage.from_offset);
  if (damage.to_offset == Damage::to_unknown) return "offset " + from + " and all after it are lost";
  if (damage.to_offset <= damage.from_offset) return "no events are lost";
  if (damage.to_offset == damage.from_offset + 1) return "offset " + from + " is lost";
  return "offsets " + from + " to " + std::to_string(damage.to_offset - 1) + " are lost";
}

}  // namespace

std::string Damage::text() const {
  std::string place = "segment " + segment;
  if (position != 0) place += ", position " + std::to_string(position);
  return place + ": " + what + ": " + offsets(*this);
}

}  // namespace spindle::spool
