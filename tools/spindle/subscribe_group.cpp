#include <algorithm>
#include <utility>
#include <vector>

#include "spindle/base/concat.hpp"
#include "tools/spindle/ask.hpp"
#include "tools/spindle/client.hpp"
#include "tools/spindle/command.hpp"
#include "tools/spindle/event_line.hpp"
#include "tools/spindle/group_figures.hpp"
#include "tools/spindle/report.hpp"
#include "tools/spindle/subscribe.hpp"
#include "tools/spindle/units.hpp"

namespace spindle::cli {
namespace {

using namespace transport::session_event;

constexpr std::uint64_t credit_events_max = 65'536;
constexpr std::uint64_t credit_bytes_max = 8 * 1024 * 1024;

class GroupSubscriber {
 public:
  GroupSubscriber(const SubscribeOptions& options, Client& client) : options_(options), client_(client) {}

  int run() {
    attach();
    while (phase_ != Phase::left) {
      auto turn = client_.turn({.until = time_left() ? options_.deadline : std::nullopt});
      if (!turn) return failed(turn.error());
      for (const auto& event : turn->events) follow(event);
      if (auto printed = settle_printed(turn->now.wall_ns); !printed) return failed(printed.error());
      if (refused_) return failed(*refused_);
      keep_alive(turn->now.instant);
      if (phase_ == Phase::reading) end_reading(turn->stops > 0);
      if (gives_up(turn->stops)) {
        report("left before the proxy confirmed all that was printed; some of it may be delivered again");
        return exit_code_ == exit_ok ? exit_failure : exit_code_;
      }
      if (phase_ == Phase::settling && client_.session().unanswered() == 0) {
        client_.session().detach(member_);
        phase_ = Phase::leaving;
      }
    }
    return late_ > 0 ? exit_failure : exit_code_;
  }

 private:
  enum class Phase : std::uint8_t { reading, settling, leaving, left };
  /// Deliveries with consecutive offsets that are settled alike.
  struct Settling {
    wire::DeliveryId first;
    std::uint64_t count = 0;
    /// Empty: acknowledged.
    std::string rejected_because;
  };

  void attach() {
    wire::Attach request;
    request.group = options_.group;
    request.patterns = {options_.pattern};
    request.start = options_.start;
    request.options.expires_ms = options_.expires_ms;
    request.alter = options_.alter;
    if (!options_.expires_ms) request.create_options.expires_ms = expires_ms_default;
    // No more than will be printed: the rest would only have to be given back.
    request.credit_events = std::min(credit_events_max, options_.count.value_or(credit_events_max));
    request.credit_bytes = credit_bytes_max;
    member_ = client_.session().attach(std::move(request));
  }

  bool done() const { return options_.count && printed_ >= *options_.count; }

  void follow(const transport::SessionEvent& event) {
    if (const auto* delivered = std::get_if<Delivered>(&event)) {
      if (phase_ == Phase::reading && !done()) add(*delivered);
    } else if (const auto* committed = std::get_if<Committed>(&event)) {
      note(*committed);
    } else if (const auto* refused = std::get_if<AttachRefused>(&event)) {
      refused_ = refused->why;
    } else if (std::holds_alternative<Attached>(event)) {
      if (!options_.quiet) report("subscribed as a member of group " + options_.group);
    } else if (std::holds_alternative<Detached>(event)) {
      phase_ = Phase::left;
    }
  }

  void add(const Delivered& delivered) {
    auto packet = wire::Packet::parse(delivered.events.packet.view, values_);
    if (!packet) return reject(delivered.first, delivered.count, packet.error().message());
    const auto events = packet->events();
    PacketLines lines(delivered.events.topic.view, *packet, DeliveredAs{delivered.first.offset, delivered.attempt});
    for (std::uint64_t i = 0; i < events.size() && !done(); ++i) {
      wire::DeliveryId id = delivered.first;
      id.offset += i;
      if (auto added = lines.append(lines_, i, events[i]); !added) {
        reject(id, 1, added.error().message());
        continue;
      }
      ++printed_;
      if (i > 0 && !settling_.empty() && follows(settling_.back(), id)) {
        ++settling_.back().count;
      } else {
        settling_.push_back({id, 1, ""});
      }
    }
  }

  static bool follows(const Settling& last, const wire::DeliveryId& next) {
    return last.rejected_because.empty() && last.first.handout == next.handout &&
           last.first.offset + last.count == next.offset;
  }

  void reject(const wire::DeliveryId& first, std::uint64_t count, const std::string& why) {
    report("the event at offset " + std::to_string(first.offset) +
           " cannot be shown and becomes a dead letter: " + why);
    settling_.push_back({first, count, why});
  }

  /// First the lines leave, then their events are acknowledged: whoever reads them has them.
  Result<void> settle_printed(WallNs now) {
    if (!lines_.empty()) {
      if (auto printed = print(lines_); !printed) return printed;
      lines_.clear();
    }
    for (const Settling& settling : std::exchange(settling_, {})) {
      if (!settle(settling, now)) tell_late(settling.count);
    }
    return {};
  }

  bool settle(const Settling& settling, WallNs now) {
    auto& session = client_.session();
    if (settling.rejected_because.empty()) {
      return session.acknowledge_each(member_, settling.first, settling.count).has_value();
    }
    wire::Settlement settlement;
    settlement.member = member_;
    settlement.first = settling.first;
    settlement.count = settling.count;
    settlement.verdict = wire::Verdict::reject;
    settlement.reason = settling.rejected_because;
    return session.settle(std::span(&settlement, 1), {}, now).has_value();
  }

  void note(const Committed& committed) {
    if (committed.outcome.status == wire::OutcomeStatus::refused) tell_late(committed.outcome.run);
  }

  void tell_late(std::uint64_t count) {
    late_ += count;
    report(plural(count, "printed event") + " could not be acknowledged in time and will be delivered again");
  }

  /// Says the credit again, as PROTOCOL.md advises: it renews the lease, and finds out if the session is gone.
  void keep_alive(Instant now) {
    if (phase_ != Phase::reading || !client_.session().ready() || now < keep_alive_at_) return;
    if (keep_alive_at_ != Instant()) {
      client_.session().set_credit(member_, std::min(credit_events_max, options_.count.value_or(credit_events_max)),
                                   credit_bytes_max);
    }
    keep_alive_at_ = now + std::chrono::milliseconds(client_.session().welcome().heartbeat_ms);
  }

  bool time_left() const { return options_.deadline && monotonic_now() < *options_.deadline; }
  bool timed_out() const { return options_.deadline && !time_left(); }

  void end_reading(bool stop) {
    if (done()) {
      exit_code_ = exit_ok;
    } else if (stop) {
      exit_code_ = options_.count ? exit_failure : exit_ok;
    } else if (timed_out()) {
      exit_code_ = exit_at_deadline(options_);
    } else {
      return;
    }
    phase_ = Phase::settling;
  }

  /// A user who wants to leave does not wait for a proxy that is away.
  bool gives_up(int stops) {
    if (phase_ == Phase::left || phase_ == Phase::reading) return false;
    return stops > 1 || ((stops > 0 || timed_out()) && !client_.session().ready());
  }

  const SubscribeOptions& options_;
  Client& client_;
  std::uint64_t member_ = 0;
  Phase phase_ = Phase::reading;
  Bytes lines_;
  std::vector<Settling> settling_;
  std::uint64_t printed_ = 0;
  std::uint64_t late_ = 0;
  std::optional<Error> refused_;
  Instant keep_alive_at_{};
  int exit_code_ = exit_ok;
  wire::Values values_;
};

std::string patterns_text(const std::vector<std::string>& patterns) {
  constexpr std::size_t named_max = 10;
  std::string text = patterns.size() == 1 ? "the pattern " : "the patterns ";
  for (std::size_t i = 0; i < std::min(patterns.size(), named_max); ++i) text += (i > 0 ? ", " : "") + patterns[i];
  if (patterns.size() > named_max) text += " and " + std::to_string(patterns.size() - named_max) + " more";
  return text;
}

/// Looking into a group must not change it: what it wants and how it is kept are for all of its members, and stay.
Result<void> check_unchanged(const SubscribeOptions& options, Client& client) {
  if (options.alter) return {};
  auto pages = ask_groups(client, options.group);
  if (!pages) return pages.error().code == ErrorCode::unknown_group ? Result<void>() : fail(pages.error());
  auto groups = read_groups(pages->front());
  if (!groups) return fail(groups.error());
  const GroupFigures& group = groups->front();
  const std::string name = "group " + group.name;
  if (std::find(group.patterns.begin(), group.patterns.end(), options.pattern) == group.patterns.end()) {
    return fail(ErrorCode::group_mismatch, name + " has " + patterns_text(group.patterns) + " and not " +
                                               options.pattern + "; --alter adds it, for good");
  }
  for (const auto& [option, value] : group.options) {
    if (option != "expires_ms" || !options.expires_ms || value == *options.expires_ms) continue;
    const auto text = [](std::uint64_t ms) { return ms == 0 ? "never" : "after " + exact_time(ms); };
    return fail(ErrorCode::group_mismatch,
                name + " expires " + text(value) + ", not " + text(*options.expires_ms) + "; --alter changes it");
  }
  return {};
}

}  // namespace

int subscribe_group(const SubscribeOptions& options, Client& client) {
  if (auto checked = check_unchanged(options, client); !checked) return failed(checked.error());
  return GroupSubscriber(options, client).run();
}

}  // namespace spindle::cli
