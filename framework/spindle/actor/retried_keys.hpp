#pragma once

#include <cstdint>
#include <vector>

#include "spindle/actor/port.hpp"

namespace spindle::actor {

/// Keys of which an event failed. The proxy takes the member's later deliveries of that key back, so that they come
/// again behind it; whoever has them must not handle them. Parcels are numbered in the order they arrived. Pure.
class RetriedKeys {
 public:
  /// The commit `ticket` asks for another attempt of the event.
  void add(std::uint64_t member, std::uint32_t key, std::uint64_t offset, Ticket ticket);
  /// These commits have outcomes: what arrives behind parcel `newest` was handed out after the proxy knew.
  void answered(Ticket first, std::uint64_t count, std::uint64_t newest);
  /// Whether an event that came with this parcel was taken back.
  bool took_back(std::uint64_t member, std::uint32_t key, std::uint64_t offset, std::uint64_t parcel) const;
  /// The member's group was moved: what it is handed from now on has nothing to do with what it asked for before.
  void forget(std::uint64_t member);
  /// No parcel before this one is left.
  void forget_before(std::uint64_t parcel);
  bool empty() const { return entries_.empty(); }

 private:
  static constexpr std::uint64_t unanswered = ~std::uint64_t{0};
  struct Entry {
    std::uint64_t member;
    std::uint32_t key;
    std::uint64_t offset;
    Ticket ticket;
    std::uint64_t newest = unanswered;
  };
  std::vector<Entry> entries_;
};

}  // namespace spindle::actor
