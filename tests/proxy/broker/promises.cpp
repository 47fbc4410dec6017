#include "promises.hpp"

#include "spindle/wire/topic.hpp"

namespace spindle::proxy {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view dead_topics = "_spindle.dead.";

std::map<std::string, Promises::Figures> read_figures(BytesView body) {
  std::map<std::string, Promises::Figures> all;
  wire::Values values;
  REQUIRE(values.read_whole(body));
  wire::Cursor at(values);
  for (std::uint32_t groups = at.array("groups"); groups > 0 && at.ok(); --groups) {
    std::string group;
    Promises::Figures figures;
    for (std::uint32_t fields = at.map("group"); fields > 0 && at.ok(); --fields) {
      const std::string field(at.str("field"));
      if (field == "name") {
        group = at.str("name");
      } else if (field == "patterns") {
        for (std::uint32_t i = at.array("patterns"); i > 0; --i) figures.patterns.emplace(at.str("pattern"));
      } else if (field == "losses") {
        for (std::uint32_t i = at.array("losses"); i > 0; --i) {
          Interval& loss = figures.losses.emplace_back();
          REQUIRE(at.map("loss") == 3);
          for (const bool is_text : {false, false, true}) {
            const std::string key(at.str("key"));
            if (is_text) {
              at.skip();
            } else {
              (key == "from" ? loss.begin : loss.end) = at.uint("offset");
            }
          }
        }
      } else if (at.peek() == wire::ValueType::uint) {
        figures.numbers[field] = at.uint("number");
      } else {
        at.skip();
      }
    }
    all[group] = figures;
  }
  REQUIRE(at.ok());
  return all;
}

/// What only ever grows. The floor is none of them: what nobody wants is passed over again after a restart.
constexpr const char* counts[] = {"end", "dead", "lost"};

}  // namespace

void Promises::must_be_decided(const std::string& source, std::uint64_t number) {
  std::uint64_t& known = decided[source];
  known = std::max(known, number);
}

void Promises::hear_outcome(const std::string& source, const wire::Outcome& outcome) {
  must_be_decided(source, outcome.number);
  const auto [told, first_time] = outcomes[source].try_emplace(outcome.number, outcome);
  CAPTURE(source, outcome.number);
  const wire::Outcome& before = told->second;
  const bool stored = before.status != wire::OutcomeStatus::refused;
  if (first_time || (stored && outcome.status == wire::OutcomeStatus::stored_before)) return;
  REQUIRE(outcome.status == before.status);
  REQUIRE(outcome.events == before.events);
  REQUIRE(outcome.first_offset == before.first_offset);
  REQUIRE(outcome.code == before.code);
  REQUIRE(outcome.text == before.text);
}

void Promises::hear_delivery(const std::string& group, const Delivered& delivered) {
  const Place place{group, delivered.id.offset};
  CAPTURE(group, delivered.id.offset, delivered.event);
  REQUIRE_FALSE(settled.contains(place));
  REQUIRE_FALSE(lost.contains(place));
  REQUIRE(event_at.try_emplace(delivered.id.offset, delivered.event).first->second == delivered.event);
  std::uint64_t& known = attempt[place];
  REQUIRE(delivered.attempt >= known);
  known = delivered.attempt;
}

void Promises::hear_figures(BytesView body) {
  for (const auto& [group, now] : read_figures(body)) {
    Figures& before = figures[group];
    for (const char* count : counts) {
      CAPTURE(group, count);
      REQUIRE(now.numbers.at(count) >= before.numbers[count]);
    }
    before.numbers = now.numbers;
    before.losses = now.losses;
    before.patterns.insert(now.patterns.begin(), now.patterns.end());
  }
}

void Promises::check(BrokerDriver& proxy) {
  proxy.by_hand = false;
  check_log(proxy);
  check_refused(proxy);
  check_figures(proxy);
  check_sources(proxy);
  check_deliveries(proxy);
  check_log(proxy);
}

/// Events that were told of stand where they were, and nothing is there twice, nor in part.
void Promises::check_log(BrokerDriver& proxy) const {
  std::map<std::uint64_t, std::uint64_t> found;
  std::map<std::uint64_t, int> copies;
  std::map<std::pair<std::string, std::uint64_t>, int> letters;
  for (const auto& stored : proxy.stored()) {
    std::uint64_t offset = stored.offset;
    for (std::uint64_t event : numbers_in(stored.packet)) {
      found[offset++] = event;
      ++(stored.topic.starts_with(dead_topics) ? letters[{stored.topic, event}] : copies[event]);
    }
  }
  for (const auto& [offset, event] : event_at) {
    if (offset < proxy.first_offset()) continue;
    CAPTURE(offset);
    REQUIRE(found.contains(offset));
    REQUIRE(found.at(offset) == event);
  }
  for (const auto& [event, count] : copies) {
    CAPTURE(event);
    REQUIRE(count == 1);
    REQUIRE(published.contains(event));
  }
  for (const auto& [letter, count] : letters) {
    CAPTURE(letter.first, letter.second);
    REQUIRE(count == 1);
  }
}

/// Who was told that its time is over hears that again.
void Promises::check_refused(BrokerDriver& proxy) const {
  auto answer = [&](const std::string& source, std::uint64_t epoch_then) {
    TestClient client(proxy, source);
    client.epoch = epoch_then;
    client.spool = "0123456789abcdef";
    client.say_hello();
    CAPTURE(source, epoch_then);
    REQUIRE_FALSE(client.take<wire::Welcome>());
    return client.error();
  };
  for (const auto& [source, then] : fenced) {
    // A source that said goodbye in the meantime is not known any more.
    const std::string code = answer(source, then);
    REQUIRE((code == "fenced" || (contested.contains(source) && code == "source_forgotten")));
  }
  for (const auto& [source, then] : forgotten) {
    const std::string code = answer(source, then);
    REQUIRE((code == "source_forgotten" || (epoch.at(source) > then && code == "fenced")));
  }
}

void Promises::check_figures(BrokerDriver& proxy) {
  TestClient admin(proxy, "");
  admin.hello();
  admin.send(wire::Admin{"groups", ""});
  const Bytes body = admin.take<wire::AdminReply>()->body;
  const auto now = read_figures(body);
  for (const auto& [group, before] : figures) {
    CAPTURE(group);
    REQUIRE(now.contains(group));
    REQUIRE(std::includes(now.at(group).patterns.begin(), now.at(group).patterns.end(), before.patterns.begin(),
                          before.patterns.end()));
  }
  for (const auto& [group, wanted] : patterns) {
    CAPTURE(group);
    REQUIRE(now.contains(group));
    for (const auto& [pattern, from] : wanted) REQUIRE(now.at(group).patterns.contains(pattern));
  }
  hear_figures(body);
  for (const Place& place : lost) {
    CAPTURE(place.first, place.second);
    REQUIRE(reported_as_lost(place));
  }
}

/// Sources keep their epochs and numbers, and every commit its outcome.
void Promises::check_sources(BrokerDriver& proxy) {
  for (const auto& [source, newest] : epoch) {
    CAPTURE(source, newest);
    if (fenced.contains({source, newest}) || forgotten.contains({source, newest})) continue;
    TestClient client(proxy, source);
    client.epoch = newest;
    client.spool = "0123456789abcdef";
    client.say_hello();
    const auto welcome = client.take<wire::Welcome>();
    if (!welcome && contested.contains(source)) continue;  // another process took over, or it was said goodbye
    REQUIRE(welcome);
    REQUIRE(welcome->epoch == newest);
    REQUIRE(welcome->last_number >= decided[source]);
    client.session = welcome->session;
    for (const auto& [number, told] : std::map(outcomes[source])) {
      client.send(wire::Publish{number}, {client.packet("a", {0})});
      const auto again = client.published();
      CAPTURE(number);
      REQUIRE(again);
      hear_outcome(source, *again);
    }
  }
  for (const auto& [source, newest] : epoch) {
    TestClient next(proxy, source);
    next.hello();
    CAPTURE(source, next.epoch);
    REQUIRE(epochs.insert(next.epoch).second);
  }
}

bool Promises::reported_as_lost(const Place& place) const {
  auto of = figures.find(place.first);
  return of != figures.end() && std::any_of(of->second.losses.begin(), of->second.losses.end(), [&](Interval loss) {
           return loss.begin <= place.second && place.second < loss.end;
         });
}

/// Each group gets all that is not settled, and nothing that is.
void Promises::check_deliveries(BrokerDriver& proxy) {
  TestClient checker(proxy, "checker/1");
  checker.hello();
  std::vector<std::string> groups;
  for (const auto& [group, wanted] : patterns) {
    auto attach = checker.attach_message(group, {});
    for (const auto& [pattern, from] : wanted) attach.patterns.push_back(pattern);
    attach.member = groups.size() + 1;
    attach.create = false;
    CAPTURE(group);
    checker.attach(attach);
    groups.push_back(group);
  }
  std::set<Place> delivered;
  for (int i = 0; i < 5; ++i) {
    for (const Delivered& one : checker.deliveries()) {
      const std::string& group = groups[one.member - 1];
      hear_delivery(group, one);
      delivered.insert({group, one.id.offset});
      // Known members are waited for as long as a lease; a failed attempt has its backoff.
      CAPTURE(group, one.id.offset);
      if (i > 0) REQUIRE((!awaited[group].empty() || one.attempt > 1));
    }
    checker.send(wire::Renew{{checker.session}});
    proxy.advance(5s);
  }
  std::set<std::pair<std::string, std::uint64_t>> letters;
  for (const auto& stored : proxy.stored()) {
    const auto events = numbers_in(stored.packet);
    for (const auto& [group, wanted] : patterns) {
      const bool matches = std::any_of(wanted.begin(), wanted.end(), [&](const auto& pattern) {
        return pattern.second <= stored.offset && wire::Pattern::parse(pattern.first)->matches(stored.topic);
      });
      for (std::uint64_t i = 0; matches && i < events.size(); ++i) {
        const Place place{group, stored.offset + i};
        CAPTURE(group, stored.topic, stored.offset + i);
        REQUIRE((delivered.contains(place) || settled.contains(place) || settling.contains(place) ||
                 reported_as_lost(place)));
      }
    }
    if (stored.topic.starts_with(dead_topics)) {
      for (std::uint64_t event : events) letters.insert({stored.topic, event});
    }
  }
  for (const auto& [place, verdict] : settled) {
    CAPTURE(place.first, place.second);
    const bool found = letters.contains({std::string(dead_topics) + place.first, event_at.at(place.second)});
    // The letter of an event that is not kept may have gone too.
    const bool may_be_gone = place.second < proxy.first_offset();
    REQUIRE((found == (verdict == wire::Verdict::reject) || (!found && may_be_gone)));
  }
}

}  // namespace spindle::proxy
