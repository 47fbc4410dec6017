#include "spindle/testing/outcome.hpp"

#include <algorithm>

namespace spindle::testing {

std::string_view name(Verdict verdict) {
  switch (verdict) {
    case Verdict::acked: return "acked";
    case Verdict::retried: return "retried";
    case Verdict::rejected: return "rejected";
    case Verdict::kept: return "kept";
    case Verdict::waits: return "waits";
    case Verdict::refused: return "refused";
  }
  return "?";
}

bool Outcome::all(Verdict verdict) const {
  return std::all_of(groups_.begin(), groups_.end(), [&](const Settled& each) { return each.verdict == verdict; });
}

std::string Outcome::reason() const {
  for (const Settled& each : groups_) {
    if (!each.reason.empty()) return each.reason;
  }
  return {};
}

}  // namespace spindle::testing
