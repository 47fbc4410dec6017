#include <deque>
#include <utility>
#include <vector>

#include "spindle/wire/packet.hpp"
#include "tools/spindle/client.hpp"
#include "tools/spindle/command.hpp"
#include "tools/spindle/event_input.hpp"
#include "tools/spindle/msgpack_to_json.hpp"
#include "tools/spindle/publish.hpp"
#include "tools/spindle/report.hpp"

namespace spindle::cli {
namespace {

using namespace transport::session_event;
using transport::Ticket;

/// Events on their way into one commit.
class Batch {
 public:
  void add(const EventInput::Event& event) {
    if (events_.empty()) first_line_ = event.line;
    events_.push_back({bytes_.size(), event.data.size(), event.key});
    bytes_ += event.data;
  }
  bool empty() const { return events_.empty(); }
  std::size_t bytes() const { return bytes_.size(); }
  std::uint64_t count() const { return events_.size(); }
  std::uint64_t first_line() const { return first_line_; }

  /// Valid until the batch changes.
  std::vector<transport::OutgoingEvent> on(const std::string& topic) const {
    std::vector<transport::OutgoingEvent> outgoing;
    outgoing.reserve(events_.size());
    for (const Place& place : events_) {
      outgoing.push_back({topic, BytesView(bytes_).substr(place.at, place.size), {}, place.key});
    }
    return outgoing;
  }
  void clear() {
    bytes_.clear();
    events_.clear();
  }

 private:
  struct Place {
    std::size_t at;
    std::size_t size;
    std::optional<std::uint32_t> key;
  };
  Bytes bytes_;
  std::vector<Place> events_;
  std::uint64_t first_line_ = 0;
};

class DurablePublisher {
 public:
  DurablePublisher(const PublishOptions& options, Client& client, EventInput& input)
      : options_(options), client_(client), input_(input) {}

  int run() {
    while (!input_.ended() || !batch_.empty() || !commits_.empty()) {
      auto turn = client_.turn({.input = !input_.ended() && client_.session().has_room()});
      if (!turn) return give_up(turn.error());
      for (const auto& event : turn->events) {
        if (const auto* committed = std::get_if<Committed>(&event)) note(*committed);
        if (const auto* anew = std::get_if<StartedAnew>(&event)) lost_ = lost_ || anew->last >= anew->first;
      }
      tell_outcomes();
      if (auto printed = print(std::exchange(receipts_, {})); !printed) return give_up(printed.error());
      if (turn->stops > 0) interrupt();
      if (turn->stops > 0 && client_.session().halted()) return give_up_halted();
      // Waiting for a proxy that is away is what the user did not want to do any longer.
      if (turn->stops > 1 || (turn->stops > 0 && !client_.session().ready())) {
        return give_up({ErrorCode::closed, "interrupted"});
      }
      if (turn->input) input_.read();
      publish_input(turn->now);
    }
    return exit_code();
  }

 private:
  struct Commit {
    Ticket ticket = 0;
    std::uint64_t events = 0;
    std::uint64_t line = 0;
    std::optional<Committed> fate;
  };

  /// As much as the session takes: what was read beyond that waits until the proxy has answered.
  void publish_input(Now now) {
    while (client_.session().has_room()) {
      const auto event = input_.next();
      if (!event) break;
      if (!batch_.empty() && batch_.bytes() + event->data.size() > limits::packet_bytes_target) publish_batch(now);
      batch_.add(*event);
    }
    // What is ready goes now: more input may be long in coming.
    if (!batch_.empty() && client_.session().has_room()) publish_batch(now);
    if (input_.wrong() && !std::exchange(told_wrong_, true)) report(input_.wrong()->message());
  }

  void publish_batch(Now now) {
    if (refused_) return batch_.clear();
    auto ticket = client_.session().publish(batch_.on(options_.topic), now.wall_ns);
    if (ticket) {
      commits_.push_back({*ticket, batch_.count(), batch_.first_line(), std::nullopt});
    } else {
      tell_refusal(ticket.error(), batch_.first_line(), batch_.count());
    }
    batch_.clear();
  }

  void note(const Committed& committed) {
    for (Ticket ticket = committed.first; ticket < committed.first + committed.outcome.run; ++ticket) {
      if (commits_.empty() || ticket < commits_.front().ticket) continue;
      commits_[ticket - commits_.front().ticket].fate = committed;
    }
  }

  /// In the order of the input, whatever order the outcomes came in.
  void tell_outcomes() {
    while (!commits_.empty() && commits_.front().fate) {
      const Commit& commit = commits_.front();
      const Committed& fate = *commit.fate;
      if (fate.epoch != epoch_) {
        epoch_ = fate.epoch;
        published_ = 0;
      }
      if (fate.outcome.status == wire::OutcomeStatus::refused) {
        tell_refusal({fate.outcome.code, fate.outcome.text}, commit.line, commit.events);
      } else if (options_.receipts) {
        add_receipts(commit, fate.outcome);
      }
      published_ += commit.events;  // refused ones too: their packet counts them
      commits_.pop_front();
    }
  }

  void add_receipts(const Commit& commit, const wire::Outcome& outcome) {
    for (std::uint64_t i = 0; i < commit.events; ++i) {
      receipts_ += "{\"id\":";
      append_json_string(receipts_, wire::event_id(client_.source(), epoch_, options_.topic,
                                                   wire::EventClass::durable, published_ + i));
      receipts_ += ",\"offset\":";
      if (outcome.status == wire::OutcomeStatus::stored) {
        append_json_number(receipts_, outcome.first_offset + i);
      } else {
        receipts_ += "null";  // stored before the proxy was lost, and so long ago that it no longer knows where
      }
      receipts_ += "}\n";
    }
  }

  void tell_refusal(const Error& why, std::uint64_t line, std::uint64_t events) {
    refused_ = true;
    input_.close();
    Bytes text = "{\"error\":";
    append_json_string(text, name(why.code));
    text += ",\"text\":";
    append_json_string(text, why.text);
    text += ",\"line\":";
    append_json_number(text, line);
    text += ",\"events\":";
    append_json_number(text, events);
    print_error(text + "}\n");
  }

  void interrupt() {
    if (input_.ended() || std::exchange(interrupted_, true)) return;
    input_.close();
    report("interrupted: what was read is being finished; once more to give up");
  }

  int give_up(const Error& why) {
    std::uint64_t events = 0;
    for (const Commit& commit : commits_) events += commit.events;
    const Bytes unknown = events == 0 ? "" : "; what became of the last " + std::to_string(events) + " is not known";
    return failed({why.code, why.text + unknown});
  }

  /// Nobody knows when the proxy stores again, and to leave is safe: nothing of this is under way.
  int give_up_halted() {
    std::uint64_t events = 0;
    for (const Commit& commit : commits_) events += commit.fate ? 0 : commit.events;
    const std::string last = events == 1 ? "event was" : std::to_string(events) + " events were";
    return failed({ErrorCode::closed, "interrupted while the proxy stores nothing: the last " + last +
                                          " not stored; publish again what is missing"});
  }

  int exit_code() const {
    if (refused_ || interrupted_ || lost_) return exit_failure;
    return input_.wrong() ? exit_usage : exit_ok;
  }

  const PublishOptions& options_;
  Client& client_;
  EventInput& input_;
  Batch batch_;
  std::deque<Commit> commits_;  // without an outcome that was told, in the order of their tickets
  Bytes receipts_;
  std::uint64_t epoch_ = 0;
  std::uint64_t published_ = 0;  // on the topic in epoch_, by the commits before commits_
  bool refused_ = false;
  bool interrupted_ = false;
  bool lost_ = false;  // what was acknowledged: the spool is an older copy
  bool told_wrong_ = false;
};

}  // namespace

int publish_durable(const PublishOptions& options, Client& client, EventInput& input) {
  return DurablePublisher(options, client, input).run();
}

}  // namespace spindle::cli
