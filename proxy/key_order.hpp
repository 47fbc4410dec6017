#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <unordered_map>
#include <vector>

namespace spindle::proxy {

/// Events with keys that a group holds back because one of their key is before them; at the limit it reads on no
/// more.
inline constexpr std::size_t group_held_events_max = 16'384;
/// How many of one key are let go at a time when it is their turn.
inline constexpr std::size_t released_events_max = 64;

/// Keeps the order of a group's events that have a key: those that are not settled, out at a member or waiting.
/// Events of one key are out at one member at most, and none is handed out while one of its key before it waits. Says
/// what may be done; the group does it. Pure bookkeeping, one thread.
class KeyOrder {
 public:
  /// A member, by a number that is never used again.
  using Seat = std::uint64_t;
  /// Where an event is out.
  struct Out {
    std::uint32_t key = 0;
    Seat seat = 0;
    std::uint64_t handout = 0;
  };
  /// Why an event waits, which is who says that it need no longer.
  enum class Until : std::uint8_t {
    turn,   ///< none of its key before it waits: this class
    alone,  ///< none of its key is out, since who has it does not handle this one: this class
    due,    ///< the group calls due(): its retry's delay has passed, or a member is there that handles it
    room,   ///< the holder of its key has room: the group calls room()
  };

  /// Whether the event may be handed out now, and to whom alone (nothing: to anybody).
  struct Leave {
    bool now = true;
    std::optional<Seat> only = std::nullopt;
  };
  Leave leave(std::uint32_t key, std::uint64_t offset) const;
  /// Whether the event, which the member had before and claims, may stay with it. It had those of the key behind it
  /// in their order, so these do not matter.
  bool may_keep(std::uint32_t key, std::uint64_t offset, Seat seat) const;

  /// The event was handed out, as leave() or may_keep() allowed.
  void hand_out(std::uint64_t offset, const Out& out);
  /// It waits; it was out, waiting for something else, or is new.
  void hold(std::uint32_t key, std::uint64_t offset, Until until);
  /// Where it is out; nullptr when it is not.
  const Out* out(std::uint64_t offset) const;
  /// Whether it is out or waits.
  bool knows(std::uint64_t offset) const { return outs_.contains(offset) || waits_.contains(offset); }
  /// Those of this event's key that are out and come after it.
  std::vector<std::uint64_t> out_behind(std::uint64_t offset) const;
  /// It is settled, or nobody's any more.
  void settle(std::uint64_t offset);
  void settle(std::uint64_t begin, std::uint64_t end);
  /// Those of the range that wait are settled.
  void settle_waiting(std::uint64_t begin, std::uint64_t end);
  /// An event that was out goes back: it waits for its turn.
  void give_back(std::uint64_t offset);
  /// What it waited for (Until::due) is so.
  void due(std::uint64_t offset);
  /// The member can take so many events: of those that wait for its room, as many may go.
  void room(Seat seat, std::uint64_t events);
  /// The member is gone.
  void forget(Seat seat);
  /// Events whose turn it has become, ascending: to be handed out as leave() says, or hold() again.
  std::vector<std::uint64_t> take_released();

  bool empty() const { return outs_.empty() && waits_.empty(); }
  /// Events that wait, and those of them that wait for others only.
  std::size_t held() const { return waits_.size(); }
  std::size_t held_by_others() const;
  /// The oldest of them, which what is behind it in its key waits for.
  std::optional<std::uint64_t> oldest_held() const;
  void clear();

 private:
  struct Wait {
    std::uint32_t key = 0;
    Until until = Until::turn;
    bool released = false;
  };
  struct Key {
    std::vector<std::uint64_t> out;    // ascending, mostly one
    std::vector<std::uint64_t> waits;  // ascending
    Seat seat = 0;                     // of those that are out
    std::size_t released = 0;          // of those that wait
    std::optional<Seat> listed;        // it is in for_room_ of that seat
  };
  void forget_out(std::uint64_t offset, const Out& out);
  void forget_wait(std::uint64_t offset);
  void forget_if_idle(std::uint32_t key);
  void release(std::uint32_t key, std::size_t most = released_events_max);

  std::unordered_map<std::uint64_t, Out> outs_;
  std::map<std::uint64_t, Wait> waits_;
  std::unordered_map<std::uint32_t, Key> keys_;
  /// Keys of which events wait for room.
  std::map<Seat, std::vector<std::uint32_t>> for_room_;
  std::vector<std::uint64_t> released_;
};

}  // namespace spindle::proxy
